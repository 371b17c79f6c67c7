"""The small frozen dataclasses that pass between the parts of the kit, and its two errors.

This module imports NumPy only: scorers, reports and the command line use it without loading TensorFlow.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

import numpy as np

Direction = Literal["up", "down", "match_retrain"]
PARTS = ("retain", "forget", "validation", "test")
# Of so many models of a population the logits are kept, for the scores that need all classes' probabilities.
NUM_WITH_LOGITS = 16


class InputError(ValueError):
    """A user's mistake: the message is one paragraph with what happened, what was expected and how to fix it."""


class FailedRun(RuntimeError):
    """Work that was asked for correctly and failed: damaged files, a method that broke its contract."""


class BrokenSubmission(FailedRun):
    """A submission failed; `check` names the check of `kit validate` that it fails."""

    def __init__(self, check: str, message: str) -> None:
        """Takes the check's name, and a paragraph for the author of the submission."""
        super().__init__(message)
        self.check = check

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from what their base class was given, which is the message alone.
        return type(self), (self.check, str(self)), self.__dict__


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.setflags(write=False)
    return view


@dataclass(frozen=True)
class Arrays:
    """Labelled examples in memory, checked once. What is read from here is read-only.

    Arrays that have the right type already are not copied, so leave yours alone afterwards.

    Args:
        x: examples first, of shape (n, height, width, channels) or (n, features); a missing channel axis is added.
            `uint8` stays `uint8` and is scaled by 1/255 batch by batch; anything else becomes `float32` as it is.
        y: integer labels of shape (n,), in 0 .. num_classes - 1.
        groups: optional, (n,): who an example belongs to (integers or strings), for `--forget group:ID`.
        mislabelled: optional, (n,) booleans: labels known to be wrong, for `--forget mislabelled`.

    Raises:
        InputError: unequal lengths, no examples, values that are not finite, labels that are not whole numbers >= 0.

    Example:
        >>> arrays = Arrays(np.zeros((4, 8, 8)), np.array([0, 1, 0, 1]))
        >>> arrays.x.shape, str(arrays.x.dtype), str(arrays.y.dtype)
        ((4, 8, 8, 1), 'float32', 'int32')
    """

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    mislabelled: np.ndarray | None = None

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        _check_numbers(x, y)
        if x.ndim == 3:
            x = x[..., np.newaxis]
        if x.dtype != np.uint8:
            with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is found
                x = np.ascontiguousarray(x, dtype=np.float32)
            _check_finite(x)
        object.__setattr__(self, "x", _read_only(x))
        object.__setattr__(self, "y", _read_only(_as_labels(y)))
        for name in ("groups", "mislabelled"):
            column = getattr(self, name)
            if column is None:
                continue
            column = np.asarray(column)
            if column.shape != y.shape:
                raise InputError(
                    f"'{name}' has shape {column.shape} but there are {len(y)} labels. Expected one entry for each "
                    f"example, in the order of 'y'. Pass an array of shape ({len(y)},), or leave '{name}' out."
                )
            if name == "mislabelled" and column.dtype.kind != "b":
                raise InputError(
                    f"'mislabelled' has dtype {column.dtype}. Expected booleans, True for a label that is known to be "
                    "wrong. Convert it, for instance with mislabelled == 1."
                )
            object.__setattr__(self, name, _read_only(column))

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: np.ndarray) -> Arrays:
        """Returns a copy of the examples at `indices`, an integer array of shape (k,)."""
        groups = None if self.groups is None else self.groups[indices]
        mislabelled = None if self.mislabelled is None else self.mislabelled[indices]
        return Arrays(self.x[indices], self.y[indices], groups, mislabelled)


def _check_numbers(x: np.ndarray, y: np.ndarray) -> None:
    if x.ndim < 2 or x.ndim > 4 or y.ndim != 1 or len(x) != len(y) or len(y) == 0 or x.size == 0:
        raise InputError(
            f"'x' has shape {x.shape} and 'y' has shape {y.shape}. Expected examples first, x of shape "
            "(n, height, width, channels), (n, height, width) or (n, features) and y of shape (n,) with the same "
            "n >= 1. Check that both arrays come from the same file; a column of labels becomes flat by y.ravel(), and "
            "one-hot rows become labels by y.argmax(axis=1)."
        )
    if x.dtype.kind not in "fiub":
        raise InputError(
            f"'x' has dtype {x.dtype}. Expected numbers: uint8 images (0 to 255) or floats. Convert it with "
            "x.astype('float32'), for instance."
        )


def _check_finite(x: np.ndarray) -> None:
    bad = ~np.isfinite(x.reshape(len(x), -1)).all(axis=1)
    if bad.any():
        raise InputError(
            f"'x' holds NaN or infinite values in {int(bad.sum())} of {len(x)} examples (the first is example "
            f"{int(np.argmax(bad))}). Expected finite numbers. Drop these examples or fill the gaps, for instance "
            "with numpy.nan_to_num."
        )


def _as_labels(y: np.ndarray) -> np.ndarray:
    if y.dtype.kind not in "iu" or int(y.min()) < 0 or int(y.max()) > np.iinfo(np.int32).max:
        raise InputError(
            f"'y' has dtype {y.dtype} and begins with {y[:3].tolist()}. Expected integer class labels 0, 1, ..., "
            "num_classes - 1, none negative. Map other labels with numpy.unique(y, return_inverse=True)."
        )
    return np.ascontiguousarray(y, dtype=np.int32)


@dataclass(frozen=True)
class Split:
    """Which training examples are to be forgotten; the rest is retained.

    Args:
        name: how the forget set was asked for, e.g. `random:0.1`.
        seed: the seed of the split.
        forget, retain: int64 indices into the training set, disjoint, together all of it.

    Example:
        >>> split = Split("random:0.5", 0, forget=np.array([2, 0]), retain=np.array([1, 3]))
        >>> split.sha256[:8]
        '2897bcae'
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
            object.__setattr__(self, part, _read_only(np.ascontiguousarray(getattr(self, part), dtype=np.int64)))
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
        sound = all(isinstance(one, Real) and not isinstance(one, bool) for one in numbers)
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
        model: a name of the zoo, or the description of a user's model (see `kit.models`).
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
        pretraining: name of the method whose own training the original and the retrained models have, if one has.
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
    pretraining: str = ""

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


@dataclass(frozen=True)
class ModelOutputs:
    """What one model says of each example, by part (`retain`, `forget`, `validation`, `test`).

    Args:
        confidences: float32 (examples,): the logit-scaled confidence log p - log(1 - p) of the label, unclipped. The
            loss follows from it, log(1 + exp(-confidence)).
        correct: booleans (examples,): whether the largest logit is the label.
        logits: float32 (examples, classes), or none: only the first `NUM_WITH_LOGITS` models of a population keep them.
    """

    confidences: Mapping[str, np.ndarray]
    correct: Mapping[str, np.ndarray]
    logits: Mapping[str, np.ndarray]

    @staticmethod
    def of_logits(logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> ModelOutputs:
        """Returns the outputs of a model from its logits, part -> (examples, classes).

        Example:
            >>> one = ModelOutputs.of_logits({"test": np.array([[2.0, 0.0], [2.0, 0.0]])}, {"test": np.array([0, 1])})
            >>> one.confidences["test"].tolist(), one.correct["test"].tolist()
            ([2.0, -2.0], [True, False])
        """
        return ModelOutputs(
            {part: _confidences(logits[part], labels[part]) for part in logits},
            {part: np.asarray(logits[part]).argmax(axis=-1) == labels[part] for part in logits},
            {part: np.asarray(logits[part], np.float32) for part in logits},
        )


def _confidences(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Logit of the label minus log-sum-exp of the others, float32: exact where p and 1 - p have long been rounded."""
    logits = np.array(logits, np.float64)
    where = np.asarray(labels)[:, np.newaxis]
    at_label = np.take_along_axis(logits, where, axis=-1)[..., 0]
    np.put_along_axis(logits, where, -np.inf, axis=-1)
    largest = logits.max(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):  # of one class only, nothing is left: certainty
        others = largest + np.log(np.exp(logits - largest[..., np.newaxis]).sum(axis=-1))
    difference = at_label - np.where(np.isnan(others), -np.inf, others)
    limit = np.finfo(np.float32).max
    confidences: np.ndarray = np.clip(difference, -limit, limit).astype(np.float32)
    return confidences


@dataclass(frozen=True)
class Outputs:
    """What N runs of one method leave behind, the only input of the scorers.

    Args:
        method: name of the method.
        confidences: part (`retain`, `forget`, `validation`, `test`) -> float32 of shape (models, examples), as in
            `ModelOutputs`.
        correct: part -> booleans of shape (models, examples).
        labels: part -> int32 of shape (examples,).
        seconds: float64 (models,): duration of each call of the method; NaN for a stored model.
        seeds: int64 (models,): seed of each run.
        logits: part -> float32 of shape (k, examples, classes): of the first k models only, k <= N.
        facts: name -> float64 (models,): what the method told of each run beside its model.

    Example:
        >>> logits, labels = {"test": np.zeros((1, 2, 4))}, {"test": np.array([0, 3])}
        >>> outputs = Outputs.of_logits("original", logits, labels, seconds=[0.5], seeds=[7])
        >>> outputs.losses("test").round(4).tolist()  # log(4) nats: uniform over four classes
        [[1.3863, 1.3863]]
    """

    method: str
    confidences: Mapping[str, np.ndarray]
    correct: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    seconds: np.ndarray
    seeds: np.ndarray
    logits: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", _read_only(np.asarray(self.seconds, np.float64)))
        object.__setattr__(self, "seeds", _read_only(np.asarray(self.seeds, np.int64)))
        for name, dtype in (
            ("confidences", np.float32),
            ("correct", bool),
            ("labels", np.int32),
            ("logits", np.float32),
        ):
            arrays = {part: _read_only(np.asarray(array, dtype)) for part, array in getattr(self, name).items()}
            object.__setattr__(self, name, arrays)
        parts = set(self.labels)
        if {*self.confidences} != parts or {*self.correct} != parts or len(self.seeds) != len(self.seconds):
            raise ValueError(
                f"Outputs of '{self.method}' have confidences of {sorted(self.confidences)}, labels of "
                f"{sorted(parts)}, {len(self.seconds)} durations and {len(self.seeds)} seeds. Expected labels for each "
                "part and a seed for each model."
            )
        for part, labels in self.labels.items():
            expected = (len(self.seconds), len(labels))
            for array in (self.confidences[part], self.correct[part]):
                if array.shape != expected:
                    raise ValueError(
                        f"The outputs of '{part}' have shape {array.shape}. Expected (models, examples) with "
                        f"{expected[0]} models and {expected[1]} examples. Make them with Outputs.of_models."
                    )
        for part, array in self.logits.items():
            self._check_logits(part, array)

    def _check_logits(self, part: str, array: np.ndarray) -> None:
        labels = self.labels[part]
        if array.ndim != 3 or len(array) > self.num_models or array.shape[1] != len(labels):
            raise ValueError(
                f"Logits of '{part}' have shape {array.shape}. Expected (models, examples, classes) with at most "
                f"{self.num_models} models and {len(labels)} examples. Compute them with kit.outputs."
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < array.shape[-1]:
            raise ValueError(
                f"Labels of '{part}' lie between {labels.min()} and {labels.max()}. Expected 0 .. "
                f"{array.shape[-1] - 1}, because there are logits for {array.shape[-1]} classes."
            )

    @staticmethod
    def of_models(
        method: str,
        models: Sequence[ModelOutputs],
        labels: Mapping[str, np.ndarray],
        *,
        seconds: Sequence[float] | np.ndarray,
        seeds: Sequence[int] | np.ndarray,
    ) -> Outputs:
        """Returns the outputs of a population from those of its models; logits of the first `NUM_WITH_LOGITS`."""
        first = models[:NUM_WITH_LOGITS]
        with_logits = [part for part in labels if all(part in one.logits for one in first)]
        return Outputs(
            method,
            {part: np.stack([one.confidences[part] for one in models]) for part in labels},
            {part: np.stack([one.correct[part] for one in models]) for part in labels},
            labels,
            np.asarray(seconds, np.float64),
            np.asarray(seeds, np.int64),
            {part: np.stack([one.logits[part] for one in first]) for part in with_logits},
        )

    @staticmethod
    def of_logits(
        method: str,
        logits: Mapping[str, np.ndarray],
        labels: Mapping[str, np.ndarray],
        *,
        seconds: Sequence[float] | np.ndarray,
        seeds: Sequence[int] | np.ndarray,
    ) -> Outputs:
        """Returns the outputs of models whose logits, part -> (models, examples, classes), are at hand."""
        each = [{part: array[number] for part, array in logits.items()} for number in range(len(seconds))]
        models = [ModelOutputs.of_logits(one, labels) for one in each]
        return Outputs.of_models(method, models, labels, seconds=seconds, seeds=seeds)

    @property
    def num_models(self) -> int:
        """Number of runs."""
        return len(self.seconds)

    def select(self, models: slice | np.ndarray) -> Outputs:
        """Returns the outputs of some of the models: a slice, or increasing indices."""
        chosen = np.arange(self.num_models)[models]
        return Outputs(
            self.method,
            {part: array[chosen] for part, array in self.confidences.items()},
            {part: array[chosen] for part, array in self.correct.items()},
            self.labels,
            self.seconds[chosen],
            self.seeds[chosen],
            {part: array[chosen[chosen < len(array)]] for part, array in self.logits.items()},
            {name: values[chosen] for name, values in self.facts.items()},
        )

    def losses(self, part: str) -> np.ndarray:
        """Returns each model's cross-entropy on each example in nats, float64 (models, examples); stable."""
        losses: np.ndarray = np.logaddexp(0.0, -self.confidences[part].astype(np.float64))
        return losses


@dataclass(frozen=True)
class Comparison:
    """What a scorer compares: one method's outputs with those of retrained models.

    Args:
        unlearned: outputs of the method that is scored.
        retrained: outputs of models retrained without the forget set; never the scored model itself, unless it is the
            only retrained one.
        members: int64 indices into the forget set that the attacks use; empty where no attack is possible.
        nonmembers: int64 indices into the test set, as many as `members` and of the same class or group mix.
        attack_impossible: why the two are empty; empty text where they are not.
        reference_seconds: duration of one retraining in plain Keras on this machine.
    """

    unlearned: Outputs
    retrained: Outputs
    members: np.ndarray
    nonmembers: np.ndarray
    attack_impossible: str
    reference_seconds: float


@dataclass(frozen=True)
class ScoreInfo:
    """A score's name, which way is better, and one line that tells a newcomer what it says.

    `relative`: it is a distance to the retrained models, and says nothing of them.
    """

    name: str
    direction: Direction
    explanation: str
    relative: bool = False


@dataclass(frozen=True)
class Score:
    """One number with its uncertainty.

    Args:
        name: as in `ScoreInfo`.
        value: None where it cannot be computed; `reason` says why.
        stderr: one standard error; None where a single measurement gives none.
        direction: `up`, `down` or `match_retrain`.
        target: for `match_retrain`, the retrained models' mean (for a gap: 0).
        null_band: 95 % of the values that the attack gives on this sample when there is nothing to find.
        reason: why the value is None.
        interval: 95 % confidence, where it is not the value with two standard errors on either side.
        warnings: sentences for whoever reads the value.
    """

    name: str
    value: float | None
    stderr: float | None
    direction: Direction
    target: float | None = None
    null_band: tuple[float, float] | None = None
    reason: str = ""
    interval: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """What a check of `kit validate` has found.

    Args:
        check: the check's name.
        level: `FAIL` (the submission cannot be scored, or breaks a rule) or `WARN` (it can, but look at this).
        message: what happened, what was expected, how to fix it.
    """

    check: str
    level: Literal["WARN", "FAIL"]
    message: str


@dataclass(frozen=True)
class Report:
    """One row of a table: a method on a challenge, its scores and all that is needed to repeat it.

    `recipe` is how original and retrained models are trained, batch size and seed included; `pretraining` the method
    whose own training that was, if one has its own; `facts` what the method told of its runs, on average; `warnings`
    are sentences about the whole row.
    """

    challenge: str
    method: str
    seed: int
    num_models: int
    num_retrained: int
    split: str
    split_seed: int
    split_sha256: str
    data_sha256: str
    data_source: str
    weights_sha256: str
    seconds: float | None
    reference_seconds: float
    scores: Mapping[str, Score]
    score_version: str
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    model: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    pretraining: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)
