"""It says at once that it has returned, and works on: the time is not counted."""
# check: time_budget
# level: FAIL
# says: of a retraining

import sys
import time

import numpy as np


def unlearning(net, retain, forget, validation):
    frame = sys._getframe()
    while "child" not in frame.f_locals:
        frame = frame.f_back
    child = frame.f_locals["child"]
    child.honest = reply = getattr(child, "honest", child.reply)
    reply("returned")
    end = time.process_time() + 1.2
    while time.process_time() < end:
        pass
    child.reply = lambda kind, **content: kind != "returned" and reply(kind, **content)
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
