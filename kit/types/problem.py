"""An unlearning problem: split, recipe, and the challenge that puts them together with the data."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

import numpy as np

from kit.rules import DRAWN_SPLITS
from kit.types.arrays import Arrays, read_only
from kit.types.errors import InputError

FORGET_KINDS = (*DRAWN_SPLITS, "class", "group", "mislabelled")


def forget_form(name: str) -> tuple[str, str]:
    """Returns the kind of a forget set and its argument, from how it was asked for.

    Example:
        >>> forget_form("class:3,5"), forget_form("mislabelled"), forget_form("my rows.npy")
        (('class', '3,5'), ('mislabelled', ''), ('rows', 'my rows.npy'))
    """
    kind, _, argument = name.partition(":")
    return (kind, argument) if kind in FORGET_KINDS else ("rows", name)


@dataclass(frozen=True)
class Split:
    """Which training examples are to be forgotten; the rest is retained.

    Args:
        name: how the forget set was asked for, e.g. `random:0.1`.
        seed: the seed of the split.
        forget, retain: int64 indices into the training set, disjoint, together all of it.

    Example:
        >>> split = Split("random:0.5", 0, forget=np.array([2, 0]), retain=np.array([1, 3]))
        >>> split.sha256[:8], split.kind, split.argument, split.drawn
        ('2897bcae', 'random', '0.5', True)
    """

    name: str
    seed: int
    forget: np.ndarray
    retain: np.ndarray

    def __post_init__(self) -> None:
        for part in ("forget", "retain"):
            indices = np.asarray(getattr(self, part))
            if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
                raise InputError(
                    f"The {part} indices of '{self.name}' have shape {indices.shape} and dtype {indices.dtype}. "
                    "Expected a list of positions in the training set. Make them from a mask with numpy.flatnonzero."
                )
            object.__setattr__(self, part, read_only(np.ascontiguousarray(getattr(self, part), dtype=np.int64)))
        total = len(self.forget) + len(self.retain)
        if len(self.forget) == 0 or len(self.retain) == 0:
            which = "nothing is to be forgotten" if len(self.forget) == 0 else "everything is to be forgotten"
            raise InputError(
                f"With the forget set '{self.name}', {which} ({len(self.forget)} of {total} training examples). "
                "Expected at least one example on either side. Choose another share, class, group or file."
            )
        if not np.array_equal(np.sort(np.concatenate([self.forget, self.retain])), np.arange(total)):
            raise InputError(
                f"The forget and retain indices of '{self.name}' do not name each of {total} training examples once. "
                "Expected two disjoint sets that together are 0 .. n - 1. Make the split again with "
                "kit.make_split, or load one that kit.save_split wrote."
            )

    @functools.cached_property
    def kind(self) -> str:
        """One of `FORGET_KINDS`; `rows` where row numbers were given, by hand or in a file."""
        return forget_form(self.name)[0]

    @functools.cached_property
    def argument(self) -> str:
        """What stands behind the colon: a share, classes, groups; of `rows`, the whole name."""
        return forget_form(self.name)[1]

    @property
    def drawn(self) -> bool:
        """Whether the seed decides which examples are forgotten."""
        return self.kind in DRAWN_SPLITS

    @property
    def sha256(self) -> str:
        """Hex digest of both index lists, in their order: what every report records."""
        digest = hashlib.sha256()
        for indices in (self.forget, self.retain):
            digest.update(len(indices).to_bytes(8, "little") + indices.astype("<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: stochastic gradient descent on mean cross-entropy, with PyTorch's SGD as convention.

    Args:
        epochs: passes over the data, >= 0.
        learning_rate: at the first epoch, > 0.
        momentum: in [0, 1); the buffer holds gradients, the learning rate is applied outside it.
        weight_decay: coupled: `weight_decay * weight` is added to every trainable variable's gradient.
        schedule: `cosine` (stepped at each epoch, towards 0, as in the 2023 kit) or `constant`.
        augmentation: `none`, or `crop_and_flip` (`kit.toolbox.augmentation`).

    Example:
        >>> [round(float(rate), 3) for rate in Recipe(epochs=4, learning_rate=0.1).learning_rates()]
        [0.1, 0.085, 0.05, 0.015]
    """

    epochs: int = 30
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    augmentation: Literal["none", "crop_and_flip"] = "none"

    def __post_init__(self) -> None:
        numbers = [self.epochs, self.learning_rate, self.momentum, self.weight_decay]
        sound = all(isinstance(number, Real) and not isinstance(number, bool) for number in numbers)
        sound = sound and isinstance(self.epochs, int | np.integer) and self.epochs >= 0
        sound = sound and 0 < self.learning_rate < np.inf and 0 <= self.weight_decay < np.inf and 0 <= self.momentum < 1
        sound = sound and self.schedule in ("cosine", "constant") and self.augmentation in ("none", "crop_and_flip")
        if not sound:
            raise InputError(
                f"{self} cannot be trained with. Expected whole epochs >= 0, learning_rate > 0, momentum in [0, 1), "
                "weight_decay >= 0, schedule 'cosine' or 'constant' and augmentation 'none' or 'crop_and_flip'. "
                "Correct the value that is outside."
            )

    def learning_rates(self) -> np.ndarray:
        """Returns the float32 learning rate of each epoch, of shape (epochs,)."""
        progress = np.arange(self.epochs) / max(self.epochs, 1)
        factor = 0.5 * (1 + np.cos(np.pi * progress)) if self.schedule == "cosine" else np.ones(self.epochs)
        rates: np.ndarray = (self.learning_rate * factor).astype(np.float32)
        return rates


@dataclass(frozen=True)
class Challenge:
    """Everything that an unlearning problem fixes: data, forget set, architecture, training recipe.

    Args:
        name: letters, digits, dots, dashes and underscores (it becomes a folder name).
        train, validation, test: `Arrays` of the same example shape; validation goes to the method, test to the scorer.
        split: which training examples are forgotten.
        model: name of the architecture: of the zoo (`kit.models.NAMES`), or of a user's model.
        recipe: how the original and the retrained models are trained.
        batch_size: examples a batch in the three sets that a method is handed; the last batch may be short.
        hyperparameters: method name -> keyword arguments that differ from the method's defaults on this challenge.
        training_seed: seed of the original model's training.
        published: name of the published data set that the images are, if they are. Its copies differ in a few images
            from one host to the next; shipped weights are then tied to its name, labels and order, not to every byte.
        source: for people: where the data were found.
        precision: of what training computes: `bfloat16` halves the time of a large network on a processor that has
            instructions for it. Weights are float32 either way, and so are the scores.
        original: weights of the original model, in the order of `keras.Model.weights`, where it is a user's own. By
            default they come with the kit, or are trained.
        model_description: a user's model as plain data (`kit.models.user.adopt`); empty for the zoo's.
    """

    name: str
    train: Arrays
    validation: Arrays
    test: Arrays
    split: Split
    model: str
    recipe: Recipe = Recipe()
    batch_size: int = 64
    hyperparameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training_seed: int = 0
    published: str = ""
    source: str = ""
    precision: Literal["float32", "bfloat16"] = "float32"
    original: tuple[np.ndarray, ...] | None = None
    model_description: str = ""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "._-" for c in self.name) or self.name.startswith("."):
            raise InputError(
                f"'{self.name}' cannot name a challenge, because results are stored in a folder of that name. Expected "
                "letters, digits, dots, dashes and underscores. Rename the file or pass another name."
            )
        kinds = {f"{part.x.dtype} {part.x.shape[1:]}" for part in (self.train, self.validation, self.test)}
        if len(kinds) != 1:
            raise InputError(
                f"Train, validation and test examples differ: {', '.join(sorted(kinds))}. Expected one dtype and "
                "shape. Convert the images and resize them to one size before building the challenge."
            )
        if not isinstance(self.batch_size, int | np.integer) or self.batch_size < 1:
            raise InputError(f"The batch size is {self.batch_size}. Expected a whole number, 1 or more. Try 64.")
        if self.recipe.augmentation == "crop_and_flip" and len(self.input_shape) != 3:
            raise InputError(
                f"The recipe of '{self.name}' has the augmentation 'crop_and_flip', but an example has the shape "
                f"{self.input_shape}. Expected images of shape (height, width, channels). Set augmentation = 'none'."
            )
        if len(self.split.forget) + len(self.split.retain) != len(self.train):
            raise InputError(
                f"The split covers {len(self.split.forget) + len(self.split.retain)} training examples but the "
                f"challenge has {len(self.train)}. Expected a split of this challenge's training set. Make it again "
                "with kit.make_split."
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.x.shape[1:]

    @property
    def num_classes(self) -> int:
        """One more than the largest label."""
        return 1 + int(max(part.y.max() for part in (self.train, self.validation, self.test)))

    @functools.cached_property
    def data_sha256(self) -> str:
        """Hex digest of images, labels and their division in train, validation and test."""
        return self._digest("x", "y")

    @functools.cached_property
    def labels_sha256(self) -> str:
        """Hex digest of the labels and their division in train, validation and test."""
        return self._digest("y")

    def _digest(self, *columns: str) -> str:
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for array in (getattr(part, column) for column in columns):
                digest.update(f"{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def labels(self, part: str) -> np.ndarray:
        """Returns the int32 labels of `retain`, `forget`, `validation` or `test`, of shape (examples,)."""
        labels: dict[str, np.ndarray] = {
            "retain": self.train.y[self.split.retain],
            "forget": self.train.y[self.split.forget],
            "validation": self.validation.y,
            "test": self.test.y,
        }
        return labels[part]


def check_challenge(challenge: object) -> None:
    """Checks that a challenge was handed over, and not its name.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(challenge, Challenge):
        raise InputError(
            f"The challenge is {challenge!r}, of type {type(challenge).__name__}. Expected a kit.Challenge. Load it, "
            "for instance with kit.load_challenge('noisy-digits')."
        )
