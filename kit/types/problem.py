"""An unlearning problem: the split, and the challenge that puts it together with the data and the recipe."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kit.types.arrays import Arrays, read_only
from kit.types.errors import InputError
from kit.types.forget import DRAWN_SPLITS, forget_form
from kit.types.recipe import Recipe
from kit.types.shown import counted, html_table, number_of
from kit.types.task import Task

# In bytes: files of a challenge have digests behind its name, and file systems take 255 in all.
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Split:
    """Which training examples are to be forgotten; the rest is retained.

    Args:
        name: the forget set as it was asked for, e.g. `random:0.1`.
        seed: the seed of the split.
        forget, retain: int64 indices into the training set, disjoint, together all of it.

    Raises:
        InputError: indices that overlap, leave examples out, or leave one of both sides empty.

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

    def __repr__(self) -> str:
        return f"<{self._title}: {counted(self._sizes)}>"

    def _repr_html_(self) -> str:
        """Returns how many examples are on either side, for a notebook."""
        return html_table(self._title, self._sizes.items())

    @property
    def _title(self) -> str:
        return f"Split {self.name} (split seed {self.seed})" if self.drawn else f"Split {self.name}"

    @property
    def _sizes(self) -> dict[str, int]:
        return {"forget": len(self.forget), "retain": len(self.retain)}

    @functools.cached_property
    def kind(self) -> str:
        """One of `kit.types.forget.FORGET_KINDS`; `rows` where row numbers were given, by hand or in a file."""
        return forget_form(self.name)[0]

    @functools.cached_property
    def argument(self) -> str:
        """The text behind the colon: a share, classes, groups; for `rows`, the whole name."""
        return forget_form(self.name)[1]

    @property
    def drawn(self) -> bool:
        """Whether the examples to forget were drawn with the seed."""
        return self.kind in DRAWN_SPLITS

    @property
    def sha256(self) -> str:
        """Hex digest of both index lists, in their order; every report records it."""
        digest = hashlib.sha256()
        for indices in (self.forget, self.retain):
            digest.update(len(indices).to_bytes(8, "little") + indices.astype("<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Challenge:
    """Everything that an unlearning problem fixes: data, forget set, architecture, training recipe.

    Args:
        name: at most 100 letters, digits, dots, dashes and underscores (it becomes a folder name).
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
            instructions for it; `tf32` has products, on JAX and an NVIDIA card, round their factors to 10 bits;
            `float16`, on JAX, is for cards that have no bfloat16, and scales the loss. Weights are float32 either way,
            and so are the scores.
        original: weights of the original model, in the order of `keras.Model.weights`, where it is a user's own. By
            default they come with the kit, or are trained.
        start: for each of `keras.Model.weights`, in their order, what a training starts from instead of drawn weights;
            None for those that are drawn; by default all are. It is what `recipe.start` names.
        model_description: a user's model as plain data (`kit.models.user.adopt`); empty for the zoo's.
        task: what the labels are, see `kit.tasks`.

    Raises:
        InputError: a name that no folder can have, parts of different shapes, a split of another training set.

    Example:
        >>> import kit
        >>> kit.load_challenge("noisy-digits", forget="class:5")
        <Challenge noisy-digits: 1,258 training examples of shape (8, 8, 1), 125 to forget (class:5), model convnet>
    """

    name: str
    train: Arrays
    validation: Arrays
    test: Arrays
    split: Split
    model: str
    recipe: Recipe = field(default_factory=Recipe)
    batch_size: int = 64
    hyperparameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training_seed: int = 0
    published: str = ""
    source: str = ""
    precision: Literal["float32", "tf32", "bfloat16", "float16"] = "float32"
    original: tuple[np.ndarray, ...] | None = None
    model_description: str = ""
    start: tuple[np.ndarray | None, ...] | None = None
    task: Task = field(kw_only=True)

    def __post_init__(self) -> None:
        sound = all(c.isalnum() or c in "._-" for c in self.name) and not self.name.startswith(".")
        if not sound or not 0 < len(self.name.encode()) <= _LONGEST_NAME:
            raise InputError(
                f"'{self.name}' cannot name a challenge, because results are stored in a folder of that name. Expected "
                f"at most {_LONGEST_NAME} letters, digits, dots, dashes and underscores. Rename the file or pass "
                "another name."
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
        if self.recipe.start is not None and self.start is None:
            raise InputError(
                f"The recipe of '{self.name}' starts from the weights in '{self.recipe.start.path}', which the "
                "challenge was not given. Expected both. Make the challenge with kit.make_challenge, which reads them."
            )
        if len(self.split.forget) + len(self.split.retain) != len(self.train):
            raise InputError(
                f"The split covers {len(self.split.forget) + len(self.split.retain)} training examples but the "
                f"challenge has {len(self.train)}. Expected a split of this challenge's training set. Make it again "
                "with kit.make_split."
            )

    def __repr__(self) -> str:
        return (
            f"<Challenge {self.name}: {number_of(len(self.train), 'training example')} of shape {self.input_shape}, "
            f"{len(self.split.forget):,} to forget ({self.split.name}), model {self.model}>"
        )

    def _repr_html_(self) -> str:
        """Returns the parts of the data, the model and the recipe, for a notebook."""
        parts = {"retain": self.split.retain, "forget": self.split.forget}
        sizes = {name: len(part) for name, part in parts.items()}
        sizes |= {"validation": len(self.validation), "test": len(self.test)}
        rows = [(name, number_of(size, "example")) for name, size in sizes.items()]
        rows += [("example", f"{self.train.x.dtype} {self.input_shape}"), ("forget set", self.split.name)]
        rows += [("model", self.model), ("recipe", f"{self.recipe.epochs} epochs, batches of {self.batch_size}")]
        return html_table(f"Challenge {self.name}", rows)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return self.train.x.shape[1:]

    @property
    def num_classes(self) -> int:
        """How many outputs a model has for an example: in classification, one more than the largest label."""
        return self.task.num_outputs(np.concatenate([self.train.y, self.validation.y, self.test.y]))

    @functools.cached_property
    def data_sha256(self) -> str:
        """Hex digest of images, labels, weights if there are any, and their division in train, validation and test."""
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
            if "x" in columns and part.sample_weight is not None:
                digest.update(b"sample_weight" + part.sample_weight.tobytes())
        return digest.hexdigest()

    def labels(self, part: str) -> np.ndarray:
        """Returns the labels of a part.

        Args:
            part: `retain`, `forget`, `validation` or `test`.

        Returns:
            (examples, ...), int32 in classification.
        """
        return self._of_part(part, self.train.y, self.validation.y, self.test.y)

    def strata(self, part: str) -> np.ndarray:
        """Returns the stratum of each example of a part: in classification, its label.

        Args:
            part: `retain`, `forget`, `validation` or `test`.

        Returns:
            int32 (examples,).
        """
        return self._of_part(part, *self._strata)

    @functools.cached_property
    def _strata(self) -> list[np.ndarray]:
        labels = [self.train.y, self.validation.y, self.test.y]
        strata = self.task.strata(np.concatenate(labels))
        return np.split(strata, np.cumsum([len(array) for array in labels[:-1]]))

    def _of_part(self, part: str, train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> np.ndarray:
        arrays: dict[str, np.ndarray] = {
            "retain": train[self.split.retain],
            "forget": train[self.split.forget],
            "validation": validation,
            "test": test,
        }
        return arrays[part]


def check_challenge(challenge: object) -> None:
    """Checks that a `kit.Challenge` was passed, and not, for instance, its name.

    Args:
        challenge: what was passed.

    Raises:
        InputError: it is something else.

    Example:
        >>> check_challenge("noisy-digits")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        kit.types.errors.InputError: The challenge is 'noisy-digits', of type str. ...
    """
    if not isinstance(challenge, Challenge):
        raise InputError(
            f"The challenge is {challenge!r}, of type {type(challenge).__name__}. Expected a kit.Challenge. Load it, "
            "for instance with kit.load_challenge('noisy-digits')."
        )
