"""It scales all weights up, as to make the net sure of itself."""
# check: logits
# level: FAIL

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    net.set_weights([weights * 1e12 for weights in net.get_weights()])
    return net
