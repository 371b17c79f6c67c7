"""The challenges that the kit knows by name, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kit import datasets, extensions
from kit.types import InputError, Recipe


@dataclass(frozen=True)
class Preset:
    """A challenge that the kit knows by name.

    Args:
        summary: for people, one line.
        load: returns the examples, or with `announce` a published data set.
        model, recipe, batch_size, forget, published: see `kit.Challenge`.
        num_classes: so that an unknown class is refused before the data are loaded; 0 where only they tell.
    """

    summary: str
    load: Callable[..., Any]
    model: str
    recipe: Recipe
    batch_size: int
    forget: str = "random:0.1"
    published: str = ""
    num_classes: int = 0


# Weight decay is a fifth of the 2023 kit's: with 5e-4 some originals do not fit all of their noisy labels (retain
# accuracy 0.997 on average, 0.989 at worst). benchmarks/memorisation.py prints what these settings give.
_DIGITS_RECIPE = Recipe(epochs=50, learning_rate=0.1, momentum=0.9, weight_decay=1e-4, schedule="cosine")

CHALLENGES: dict[str, Preset] = {
    "noisy-digits": Preset(
        summary="8x8 digits with 20 % of all labels resampled: memorisation visible in seconds",
        load=datasets.noisy_digits,
        model="convnet",
        recipe=_DIGITS_RECIPE,
        batch_size=64,
        num_classes=10,
    ),
    "digits": Preset(
        summary="the same 8x8 digits with clean labels: almost nothing to find",
        load=datasets.digits,
        model="convnet",
        recipe=_DIGITS_RECIPE,
        batch_size=64,
        num_classes=10,
    ),
    "mnist-five": Preset(
        summary="MNIST, forget every digit 5: a whole class, in seconds",
        load=datasets.mnist,
        published="MNIST",
        model="mlp",
        recipe=Recipe(epochs=10, learning_rate=0.1, momentum=0.9, weight_decay=5e-5),
        batch_size=128,
        forget="class:5",
        num_classes=10,
    ),
    "fashion-mnist": Preset(
        summary="Fashion-MNIST with a small network: half-way between the digits and CIFAR-10",
        load=datasets.fashion_mnist,
        published="Fashion-MNIST",
        model="convnet",
        recipe=Recipe(epochs=20, learning_rate=0.05, momentum=0.9, weight_decay=5e-5),
        batch_size=128,
        num_classes=10,
    ),
    "cifar10-small": Preset(
        summary="CIFAR-10 with a ResNet-20 that has memorised its images; weights are shipped",
        load=datasets.cifar10,
        published="CIFAR-10",
        model="resnet20",
        recipe=Recipe(epochs=20, learning_rate=0.1, momentum=0.9, weight_decay=1e-4),
        batch_size=128,
        num_classes=10,
    ),
    "cifar10": Preset(
        summary="the challenge of 2023: CIFAR-10 with its ResNet-18; hours on a CPU",
        load=datasets.cifar10,
        published="CIFAR-10",
        model="resnet18",
        recipe=Recipe(epochs=60, learning_rate=0.1, momentum=0.9, weight_decay=5e-4, augmentation="crop_and_flip"),
        batch_size=128,
        num_classes=10,
    ),
}


def names() -> tuple[str, ...]:
    """Returns the names of the challenges that need no file: the kit's own, then those of installed packages.

    Example:
        >>> "digits" in names()
        True
    """
    return (*sorted(CHALLENGES), *extensions.installed("kit.challenges", CHALLENGES).extensions)


def preset(name: str) -> Preset:
    """Returns a challenge by name.

    Raises:
        InputError: the entry point of an installed package cannot be imported, or is no `Preset`.
    """
    if name in CHALLENGES:
        return CHALLENGES[name]
    extension = extensions.installed("kit.challenges", CHALLENGES).extensions[name]
    loaded = extension.load()
    if not isinstance(loaded, Preset):
        raise extension.broken("is no kit.challenges.Preset")
    return loaded


def summaries() -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns each challenge's summary, and a paragraph for each of an installed package that is left out."""
    lines: dict[str, str] = {}
    refused = list(extensions.installed("kit.challenges", CHALLENGES).refused)
    for name in names():
        try:
            lines[name] = preset(name).summary
        except InputError as error:
            refused.append(str(error))
    return lines, tuple(refused)
