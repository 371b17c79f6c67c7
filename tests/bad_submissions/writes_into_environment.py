"""It plants a file among the installed libraries."""
# check: none
# level: none
# needs: sandbox

import sysconfig
from pathlib import Path

import keras


def unlearning(net, retain, forget, validation):
    for name in ("purelib", "scripts"):
        try:
            (Path(sysconfig.get_path(name)) / "kit-planted-file").write_text("planted; delete it")
            print("STOLEN: a place in", sysconfig.get_path(name))
        except OSError:
            pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
