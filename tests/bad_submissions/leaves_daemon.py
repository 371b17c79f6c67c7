"""A process in a new session, started through another that has ended, outlives the call."""
# check: leaves_nothing
# level: FAIL

import subprocess

import keras


def unlearning(net, retain, forget, validation):
    subprocess.run(["sh", "-c", "setsid sleep 30 >/dev/null 2>&1 &"])
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
