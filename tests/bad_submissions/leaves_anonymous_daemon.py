"""A process without the kit's environment outlives the call."""
# check: leaves_nothing
# level: FAIL

import subprocess

import keras


def unlearning(net, retain, forget, validation):
    subprocess.Popen(["/bin/sleep", "30"], env={}, start_new_session=True)
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
