"""It looks for retrained models in the kit's folder."""
# check: evaluation_data
# level: WARN

import glob

import keras


def unlearning(net, retain, forget, validation):
    glob.glob("data/oracles/*.npz")
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
