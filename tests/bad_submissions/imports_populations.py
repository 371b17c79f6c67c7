"""It imports the kit's runs, which can retrain."""
# check: evaluation_data
# level: WARN
# says: kit.runs.population

import keras


def unlearning(net, retain, forget, validation):
    try:
        import kit.runs.population as innocent

        print("STOLEN:", innocent)
    except ImportError:
        pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
