"""It kills the processes that started it, and whatever else it can see."""
# check: none
# level: none
# needs: sandbox

import os
import signal

import numpy as np

PROC = "/proc"


def is_planted(number):
    try:
        with open(f"{PROC}/{number}/cmdline", "rb") as file:
            return b"kit-planted-victim" in file.read()
    except OSError:
        return False


def unlearning(net, retain, forget, validation):
    visible = [int(name) for name in os.listdir(PROC) if name.isdigit()]
    for number in {os.getppid(), *visible} - {1, os.getpid()}:
        if is_planted(number):  # nothing else is ever touched
            os.kill(number, signal.SIGKILL)
            print("STOLEN: the life of process", number)
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
