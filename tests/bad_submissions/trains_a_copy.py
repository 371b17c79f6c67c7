"""It trains a copy and returns the original."""
# check: changes_weights
# level: WARN

import keras


def unlearning(net, retain, forget, validation):
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    copy.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    copy.fit(retain, epochs=1, verbose=0)
    return net
