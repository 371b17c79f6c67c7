"""It imports the kit's reader of stored retrained models."""
# check: evaluation_data
# level: WARN
# says: kit.runs.retrained

import keras


def unlearning(net, retain, forget, validation):
    try:
        from kit.runs import retrained

        print("STOLEN:", retrained)
    except ImportError:
        pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
