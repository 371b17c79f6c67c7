"""Models: the zoo, a user's own as plain data, and weights in files.

`build` and the zoo are imported when first used: what only reads or writes arrays does without Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.models.zoo import MODELS, build, build_described, convnet, mlp, of_one_tensor, resnet18, resnet20

# The zoo, known without importing it.
NAMES = ("mlp", "convnet", "resnet18", "resnet20")
__all__ = ["MODELS", "NAMES", "build", "build_described", "convnet", "mlp", "of_one_tensor", "resnet18", "resnet20"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("kit.models.zoo"), name)
    raise AttributeError(f"module 'kit.models' has no attribute '{name}'. Its names are {', '.join(__all__)}.")
