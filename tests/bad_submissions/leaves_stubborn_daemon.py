"""A process that ignores the request to end outlives the call."""
# check: leaves_nothing
# level: FAIL

import subprocess

import keras


def unlearning(net, retain, forget, validation):
    subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; sleep 30; sleep 30"], start_new_session=True)
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
