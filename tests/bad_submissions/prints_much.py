"""It prints a line for each example, some 500 kB."""
# check: output
# level: WARN

import keras


def unlearning(net, retain, forget, validation):
    for number in range(10_000):
        print("example", number, "is still to be forgotten by the network")
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
