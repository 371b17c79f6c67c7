"""It replaces a scorer of the kit."""
# check: evaluation_data
# level: WARN

import keras

import kit.scorers


def unlearning(net, retain, forget, validation):
    kit.scorers.get = lambda name: lambda *arguments, **options: 1.0
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
