"""It imports the list of challenges, which leads to all data of each."""
# check: evaluation_data
# level: WARN
# says: kit.challenges.catalogue

import keras


def unlearning(net, retain, forget, validation):
    try:
        from kit.challenges import catalogue

        print("STOLEN:", catalogue)
    except ImportError:
        pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
