"""The challenges: presets as plain data, and challenges from a user's arrays or `.npz` file.

Decisions:

- Random halves are computed without Keras (`splits`); a test holds them to `keras.utils.split_dataset`.
- A batch size belongs to the challenge, not to the recipe: it is a property of the data sets that a method is handed.
- The division in train, validation and test is stratified by class, and by wrong labels where they are known:
  otherwise the luck of one fixed test set would stay in every comparison of forget with test, over any number of
  splits.
- Row numbers of a forget set count the whole data set, not its training part: those are the rows that a user knows.
- A label is the task's business: what a challenge knows of it is `task` (`kit.tasks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from kit.challenges import catalogue, splits, user
from kit.challenges.catalogue import CHALLENGES, OWN_DATA, Preset, hyperparameters, names, summaries
from kit.challenges.partition import published_partition, stratified_partition
from kit.datasets.loading import Published
from kit.tasks import CLASSIFICATION
from kit.types import Arrays, Challenge, InputError, Recipe, Task
from kit.types.errors import did_you_mean

if TYPE_CHECKING:
    import keras

__all__ = [
    "CHALLENGES",
    "Preset",
    "load_challenge",
    "make_challenge",
    "names",
    "summaries",
]

Forget = str | Path | Sequence[int] | np.ndarray


def load_challenge(
    name_or_path: str | Path = "noisy-digits",
    *,
    forget: Forget | None = None,
    split_seed: int = 0,
    model: str | Path | keras.Model | None = None,
    weights: str | Path | None = None,
    recipe: str | Path | Recipe | None = None,
    precision: str = "float32",
    announce: Callable[[str], None] | None = None,
) -> Challenge:
    """Loads a challenge by name, or makes one from an `.npz` file.

    Args:
        name_or_path: a name (`kit list challenges`), or the path of an `.npz` file with `x`, `y` and optionally
            `groups`, `mislabelled` and `partition` (see `make_challenge`).
        forget: which training examples are to be forgotten (see `kit.make_split`); by default the challenge's own,
            a tenth at random for most. Row numbers count the rows of `x`, or of the published data set.
        split_seed: seed of a random forget set.
        model: of your own, instead of the challenge's: a `.keras` file, a Keras model, or a name of the zoo.
        weights: of the original model, `.weights.h5` or `.npz`; by default those in the `.keras` file.
        recipe: how the model is trained: a `kit.Recipe`, or a TOML file with its fields, and `batch_size`.
        precision: see `kit.Challenge`.
        announce: is told where damaged copies of the data were passed over, and what was assumed.

    Raises:
        InputError: an unknown name (near matches are shown), a bad file, a bad forget set.
        FailedRun: the challenge's data are nowhere on this machine and cannot be downloaded.

    Example:
        >>> challenge = load_challenge("noisy-digits")
        >>> len(challenge.split.forget), len(challenge.split.retain), len(challenge.validation), len(challenge.test)
        (126, 1132, 269, 270)
    """
    name = str(name_or_path)
    if name in names():
        preset = catalogue.preset(name)
        arrays, partition, source = _load(preset, announce)
    else:
        preset, source = OWN_DATA, ""
        arrays, partition = user.read_npz(_npz_path(name))
        name = Path(name).stem
        if weights is None and (model is None or user.is_name(model)):
            user.check_scale(arrays)
    trained = (preset.recipe, preset.batch_size)
    if recipe is not None:
        trained = (recipe, preset.batch_size) if isinstance(recipe, Recipe) else user.read_recipe(Path(recipe))
    changed = recipe is not None or model is not None or weights is not None
    if announce and recipe is None and (model is not None or weights is not None):
        announce(f"no recipe was given: reference models are retrained by the default one, {preset.recipe}")
    return make_challenge(
        name,
        arrays,
        partition=partition,
        forget=preset.forget if forget is None else forget,
        split_seed=split_seed,
        model=user.read_model(arrays, preset.model if model is None else model, weights),
        recipe=trained[0],
        batch_size=trained[1],
        hyperparameters={} if changed else hyperparameters(name),
        published=preset.published,
        source=source,
        precision=precision,
    )


def _npz_path(name: str) -> Path:
    path = Path(name)
    if path.suffix.lower() != ".npz":
        hint = did_you_mean(name, names(), f"The challenges are {', '.join(names())}.")
        raise InputError(f"There is no challenge '{name}'. Expected a name or the path of an .npz file. {hint}")
    return path


def make_challenge(
    name: str,
    arrays: Arrays,
    *,
    partition: np.ndarray | None = None,
    forget: Forget = "random:0.1",
    split_seed: int = 0,
    model: str | keras.Model | None = None,
    recipe: Recipe = Recipe(),
    batch_size: int = 64,
    hyperparameters: Mapping[str, Mapping[str, Any]] | None = None,
    published: str = "",
    source: str = "",
    precision: str = "float32",
    task: Task = CLASSIFICATION,
) -> Challenge:
    """Makes a challenge from a user's arrays.

    Args:
        name: becomes the name of the results' folder.
        arrays: all examples, e.g. `kit.Arrays(x, y, groups=person)`.
        partition: optional integers (n,): 0 for training, 1 for validation, 2 for test. By default 70, 15 and 15 %,
            each class in the same shares, always the same for the same data.
        forget, split_seed: as in `load_challenge`.
        model: a name of the zoo, by default `convnet` for images and `mlp` for tables; or a functional or sequential
            Keras model of your own, trained on these arrays, that ends in logits or in a softmax.
        recipe, batch_size: how the model is trained anew; of a name, the kit trains the original too, and caches it.
        hyperparameters: method name -> keyword arguments that differ on this challenge.
        published, source, precision: see `kit.Challenge`.
        task: what the labels are (`kit.tasks`).

    Raises:
        InputError: labels that are none of the task's, a partition without one of its three parts, a bad forget set,
            a model that cannot be taken.

    Example:
        >>> arrays = Arrays(np.random.default_rng(0).normal(size=(200, 5)), np.arange(200) % 4)
        >>> challenge = make_challenge("table", arrays, forget="class:3")
        >>> challenge.model, len(challenge.split.forget)
        ('mlp', 35)
    """
    arrays = replace(arrays, y=task.check(arrays.y))
    if task.num_outputs(arrays.y) > len(arrays):
        raise InputError(
            f"'{name}' has labels up to {arrays.y.max()} but only {len(arrays)} examples. Expected labels 0 .. "
            "num_classes - 1. Map them with numpy.unique(y, return_inverse=True)."
        )
    partition = stratified_partition(arrays, task) if partition is None else np.asarray(partition)
    if partition.shape != arrays.y.shape or partition.dtype.kind not in "iu" or set(np.unique(partition)) != {0, 1, 2}:
        raise InputError(
            f"The partition of '{name}' has shape {partition.shape}, dtype {partition.dtype} and the values "
            f"{np.unique(partition)[:5].tolist()}. Expected one integer for each of {len(arrays)} examples, 0 for "
            "training, 1 for validation and 2 for test, each of them present. Correct 'partition' or leave it out."
        )
    if precision not in ("float32", "bfloat16"):
        raise InputError(f"There is no precision '{precision}'. Expected float32 or bfloat16. Choose one of these.")
    if not isinstance(recipe, Recipe):
        raise InputError(
            f"The recipe is {recipe!r}. Expected a kit.Recipe. Write, for instance, kit.Recipe(epochs=20)."
        )
    adopted = user.adopted(model, arrays, precision)
    train, validation, test = (arrays.take(np.flatnonzero(partition == part)) for part in range(3))
    return Challenge(
        name=name,
        train=train,
        validation=validation,
        test=test,
        split=splits.make_split(train, forget, split_seed, rows=np.flatnonzero(partition == 0)),
        model=adopted.name,
        model_description=adopted.description,
        recipe=recipe,
        batch_size=batch_size,
        hyperparameters=hyperparameters or {},
        published=published,
        source=source,
        precision=cast(Literal["float32", "bfloat16"], precision),
        original=adopted.weights,
        task=task,
    )


def _load(preset: Preset, announce: Callable[[str], None] | None) -> tuple[Arrays, np.ndarray | None, str]:
    """Returns a preset's examples, their division in train, validation and test, and where they were found."""
    if not preset.published:
        return preset.load(), None, ""
    published: Published = preset.load(announce=announce)
    source = f"{preset.published}: {published.source}, sha256 {published.sha256}"
    return published.arrays, published_partition(published), source
