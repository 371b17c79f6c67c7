"""It reads its settings from the command line."""
# check: imports
# level: FAIL
# says: SystemExit

import argparse

import keras

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, required=True)
EPOCHS = parser.parse_args().epochs


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
