"""It replaces the file of weights by a link to another file."""
# check: weights
# level: FAIL
# says: cannot be used

import os

import keras


def replace():
    os.remove(".weights.npz")
    os.symlink("/usr/bin/env", ".weights.npz")


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    base = type(net)

    class Odd(base):
        @property
        def output_shape(self):  # asked for when the weights are already written
            if os.path.isfile(".weights.npz") and not os.path.islink(".weights.npz"):
                replace()
            return (None, 10)

    net.__class__ = Odd
    return net
