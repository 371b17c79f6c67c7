"""What `processes` has imported before it forks; the garbage collector leaves it alone, so that pages stay shared."""

import gc
import importlib

gc.disable()
for name in ("tensorflow", "keras", "scipy.stats", "sklearn.linear_model", "matplotlib.figure"):
    importlib.import_module(name)
gc.enable()
gc.freeze()
