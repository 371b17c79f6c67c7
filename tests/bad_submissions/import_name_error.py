"""A type annotation names what was never imported."""
# check: imports
# level: FAIL
# says: NameError

import keras


def unlearning(net: keras.Model, retain: tf.data.Dataset, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
