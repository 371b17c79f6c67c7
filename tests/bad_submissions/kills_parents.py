"""It kills the processes that started it, and whatever else it can see."""
# check: none
# level: none
# needs: sandbox

import os
import signal

import keras

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
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
