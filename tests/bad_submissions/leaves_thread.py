"""A thread outlives the call."""
# check: leaves_nothing
# level: FAIL

import threading
import time

import keras


def unlearning(net, retain, forget, validation):
    threading.Thread(target=time.sleep, args=(30,), name="watcher").start()
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
