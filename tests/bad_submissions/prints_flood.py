"""It prints 30 MB."""
# check: output
# level: FAIL

import keras


def unlearning(net, retain, forget, validation):
    for _ in range(30):
        print("x" * 1_000_000)
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
