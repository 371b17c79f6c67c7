"""It overwrites the images that the data sets are made of."""
# check: data_unaltered
# level: FAIL

import gc

import keras


def unlearning(net, retain, forget, validation):
    for thing in gc.get_objects():
        if type(thing).__name__ == "Arrays":
            thing.x.setflags(write=True)
            thing.x[-3:] = 0
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
