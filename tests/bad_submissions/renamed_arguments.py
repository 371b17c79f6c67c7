"""The parameters have other names."""
# check: signature
# level: FAIL

import keras


def unlearning(model, retain_set, forget_set, validation_set):
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit(retain_set, epochs=1, verbose=0)
    return model
