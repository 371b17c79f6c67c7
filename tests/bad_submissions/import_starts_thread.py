"""Importing it starts a thread."""
# check: import_side_effects
# level: WARN

import threading
import time

import keras

threading.Thread(target=time.sleep, args=(20,), daemon=True).start()


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
