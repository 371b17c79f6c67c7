"""A case: a model as a user builds and trains it in plain Keras, its data as they are kept, and how it is given."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kit.models import named_outputs

ROWS = 60


@dataclass(frozen=True)
class Case:
    """What a user has.

    Args:
        net: trained.
        inputs: what `net` is called with: an array, a list or a dictionary.
        files: arrays of an `.npz` file, `x` or `x_NAME`, and `y`.
        options: further ones of `kit.load_challenge`.
        saved: whether the model is given as a `.keras` file.
        refused: fragments of the paragraph that the user reads, where the case is refused.
    """

    net: keras.Model
    inputs: Any
    files: Mapping[str, np.ndarray]
    options: Mapping[str, Any] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    saved: bool = True

    @property
    def names(self) -> list[str]:
        """Names of the outputs, in their order."""
        return list(named_outputs.of(self.net)) if "output_name" in self.options else []


Build = Callable[[Path], Case]
DOMAINS = ("labels", "tables", "texts", "images", "series", "forms", "own_code", "regression", "outputs")


def all_cases() -> dict[str, Build]:
    """Returns domain: name -> a function that is given an empty folder."""
    cases = {}
    for domain in DOMAINS:
        for name, build in vars(importlib.import_module(f"user_models.{domain}")).items():
            if callable(build) and getattr(build, "is_case", False):
                cases[f"{domain}: {name.replace('_', ' ')}"] = build
    return cases


def case(build: Build) -> Build:
    """Marks a function that builds a case."""
    build.is_case = True  # type: ignore[attr-defined]
    return build


def draw() -> np.random.Generator:
    return np.random.default_rng(0)


def said(net: keras.Model, inputs: Any) -> np.ndarray:
    """What a model says, (n, k), its outputs side by side in their order."""
    outputs = keras.tree.flatten(net(inputs, training=False))
    return np.concatenate([np.asarray(output, np.float64) for output in outputs], axis=-1)


def fitted(net: keras.Model, x: Any, y: np.ndarray, loss: Any, optimizer: str = "adam") -> keras.Model:
    """Trains a step or two, as users do: what is tested does not depend on how well."""
    net.compile(optimizer, loss, run_eagerly=True)
    net.fit(x, y, batch_size=30, epochs=1, verbose=0)
    return net
