"""The challenges: presets as plain data, and challenges from a user's arrays or `.npz` file.

Decisions:

- A wrong name is refused before NumPy is imported; what needs it is in `making`, and imported when it is used.
- Random halves are computed without Keras (`splits`); a test holds them to `keras.utils.split_dataset`.
- A batch size belongs to the challenge, not to the recipe: it is a property of the data sets that a method is handed.
- The division in train, validation and test is stratified by class, and by wrong labels where they are known:
  otherwise the luck of one fixed test set would stay in every comparison of forget with test, over any number of
  splits.
- Row numbers of a forget set count the whole data set, not its training part: those are the rows that a user knows.
- A label is the task's business: what a challenge knows of it is `task` (`kit.tasks`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.challenges import catalogue, recipes, tables, user
from kit.challenges.catalogue import CHALLENGES, Preset, hyperparameters, names, summaries
from kit.challenges.checks import check_request
from kit.types import Recipe

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kit.challenges.making import Forget, make_challenge
    from kit.types import Arrays, Challenge, Table, Task

__all__ = [
    "CHALLENGES",
    "Preset",
    "check_request",
    "examples",
    "load_challenge",
    "make_challenge",
    "names",
    "summaries",
]

# Of a user's arrays: the model follows from their shape.
_OWN_DATA = Preset("", user.read_npz, model="", recipe=Recipe(), batch_size=64)


def __getattr__(name: str) -> Any:
    if name == "make_challenge":
        return importlib.import_module("kit.challenges.making").make_challenge
    raise AttributeError(f"module 'kit.challenges' has no attribute '{name}'. Its names are {', '.join(__all__)}.")


def load_challenge(
    name_or_path: str | Path = "noisy-digits",
    *,
    forget: Forget | None = None,
    split_seed: int = 0,
    model: str | Path | keras.Model | None = None,
    weights: str | Path | None = None,
    recipe: str | Path | Recipe | None = None,
    id_column: str | None = None,
    precision: str = "float32",
    task: Task | str | None = None,
    custom_objects: str | Path | None = None,
    builder: str | None = None,
    announce: Callable[[str], None] | None = None,
) -> Challenge:
    """Loads a challenge by name, or makes one from a file of examples.

    Args:
        name_or_path: a name (`kit list challenges`), or the path of an `.npz` file with `x`, `y` and optionally
            `groups`, `ids`, `mislabelled` and `partition` (see `make_challenge`), or `x_NAME` for each input of a model
            with several; or of a table, `.csv` or `.parquet`, whose columns the recipe explains under `[data]`.
        forget: which training examples are to be forgotten (see `kit.make_split`); by default the challenge's own,
            a tenth at random for most. Row numbers count the rows of `x`, or of the published data set.
        split_seed: seed of a random forget set.
        model: of your own, instead of the challenge's: a `.keras` file, a Keras model, or a name of the zoo.
        weights: of the original model, `.weights.h5` or `.npz`; by default those in the `.keras` file.
        recipe: how the model is trained: a `kit.Recipe`, or a TOML file with its fields, and `batch_size`.
        id_column: of a table, the column by which a file of requests names examples.
        precision: see `kit.Challenge`.
        task: what the labels are, see `make_challenge`.
        custom_objects, builder: Python files of yours that make your model, see `make_challenge`. They are run.
        announce: is told where damaged copies of the data were passed over, how many rows a file names, and what was
            assumed.

    Raises:
        InputError: an unknown name (near matches are shown), a bad file, a bad forget set.
        FailedRun: the challenge's data are nowhere on this machine and cannot be downloaded.

    Example:
        >>> challenge = load_challenge("noisy-digits")
        >>> len(challenge.split.forget), len(challenge.split.retain), len(challenge.validation), len(challenge.test)
        (126, 1132, 269, 270)
    """
    check_request(
        name_or_path,
        forget=forget,
        model=model,
        weights=weights,
        precision=precision,
        custom_objects=custom_objects,
        builder=builder,
    )
    name = str(name_or_path)
    preset = catalogue.preset(name) if name in names() else _OWN_DATA
    written = None if recipe is None or isinstance(recipe, Recipe) else recipes.read(Path(recipe))
    columns = recipes.DataColumns() if written is None else written.data
    from kit.challenges import making  # NumPy, which a wrong name does not wait for

    arrays, partition, source = read_examples(name, announce, columns, id_column)
    changed = preset is _OWN_DATA or recipe is not None or model is not None or weights is not None
    if announce and recipe is None and (model is not None or weights is not None):
        announce(f"no recipe was given: reference models are retrained by the default one, {preset.recipe}")
    own = user.own_code(custom_objects, builder)
    net = user.read_model(arrays, preset.model if model is None else model, weights, own)
    challenge = making.make_challenge(
        Path(name).stem if preset is _OWN_DATA else name,
        arrays,
        partition=partition,
        forget=preset.forget if forget is None else forget,
        split_seed=split_seed,
        model=net,
        recipe=recipe if isinstance(recipe, Recipe) else recipe_of(written, preset.recipe, model),
        batch_size=preset.batch_size if written is None else written.batch_size,
        hyperparameters={} if changed else hyperparameters(name),
        published=preset.published,
        source=source,
        precision=precision,
        task=task or columns.task or user.task_in_file(model, arrays.y, net),
        custom_objects=custom_objects,
        builder=builder,
    )
    if announce and challenge.train.classes:
        announce("labels: " + ", ".join(f"{number} = {label}" for number, label in enumerate(challenge.train.classes)))
    if announce and challenge.split.kind == "rows":  # one that was not asked for would show here
        announce(f"'{forget}' names {len(challenge.split.forget):,} of {len(challenge.train):,} training examples")
    return challenge


def recipe_of(written: recipes.RecipeFile | None, default: Recipe, model: str | Path | keras.Model | None) -> Recipe:
    """Returns the recipe in a file, which may say that a model's compile settings have it; without a file, another."""
    if written is None:
        return default
    if written.fields.get("optimizer") != recipes.FROM_MODEL:
        return written.recipe(None)
    return written.recipe(user.compiled_with(model))


def examples(name_or_path: str | Path, announce: Callable[[str], None] | None = None) -> Arrays:
    """Returns the examples of a challenge or of an `.npz` file, before they are divided; errors as `load_challenge`.

    Example:
        >>> len(examples("digits"))
        1797
    """
    check_request(name_or_path)
    data = read_examples(str(name_or_path), announce)[0]
    from kit.types import Arrays

    return data if isinstance(data, Arrays) else user.stacked(data)


def read_examples(
    name: str,
    announce: Callable[[str], None] | None,
    columns: recipes.DataColumns = recipes.DataColumns(),
    id_column: str | None = None,
) -> tuple[Arrays | Table, np.ndarray | None, str]:
    """Returns examples, their division if it is given, and where they were found."""
    if name not in names() and Path(name).suffix.lower() in tables.SUFFIXES:
        return *tables.read(Path(name), columns, id_column), ""
    if name not in names():
        return *user.read_npz(Path(name)), ""
    from kit.challenges import making

    return making.load_preset(catalogue.preset(name), announce)
