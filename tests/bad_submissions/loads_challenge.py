"""It loads the challenge itself, test examples included."""
# check: evaluation_data
# level: WARN

import keras

import kit


def unlearning(net, retain, forget, validation):
    try:
        kit.load_challenge()
    except Exception:
        pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
