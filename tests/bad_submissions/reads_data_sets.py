"""It reads the files in which libraries bring published data along, whose test examples are a challenge's."""
# check: none
# level: none
# needs: sandbox

import gzip
import importlib
import sys
from pathlib import Path

import numpy as np

MODULES = ("sklearn.datasets", "keras.datasets.mnist", "torchvision.datasets", "datasets", "kit.datasets", "kit.runs")
ASKED_FOR = ("load_digits", "load_data", "MNIST", "load_dataset", "digits", "run_population")


def files():
    for root in {*sys.path, "/usr", sys.prefix, sys.base_prefix, "/root", "/home"}:
        for pattern in ("sklearn/datasets/data/*", "*/*/*/sklearn/datasets/data/*", "*/.keras/datasets/*", "datasets/*.npz"):
            yield from Path(root or ".").glob(pattern)


def unlearning(net, retain, forget, validation):
    for path in files():
        try:
            content = path.read_bytes()
            print("STOLEN:", path, len(gzip.decompress(content) if path.suffix == ".gz" else content))
        except OSError:
            pass
    for name, function in zip(MODULES, ASKED_FOR, strict=True):
        try:
            getattr(importlib.import_module(name), function)
            print("STOLEN: the data of", name)
        except ImportError as error:
            assert "beside a submission" in str(error) or "No module named" in str(error), error
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
