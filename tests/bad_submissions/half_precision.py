"""Its weights are float16."""
# check: weights
# level: FAIL
# says: float16

import keras


def as_half(layer):
    return type(layer).from_config(layer.get_config() | {"dtype": "float16"})


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    half = keras.models.clone_model(net, clone_function=as_half)
    half.set_weights(net.get_weights())
    return half
