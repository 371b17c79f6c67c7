"""Models: the zoo, a user's own as plain data, and weights in files.

`build` and the zoo are imported when first used: what only reads or writes arrays does without Keras.

Decisions:

- A user's model is plain data: its description, unseeded, is `Challenge.model_description`, and its weights are
  `Challenge.original`.
- A convolution is a matrix product where the image has fewer pixels than the kernel has taps (`layers.PaddedConv2D`):
  most products would be with padding. That is a third of the ResNet-18's work on 32x32 images.
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
