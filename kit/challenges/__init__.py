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

from kit.challenges import loading
from kit.challenges.catalogue import CHALLENGES, Preset, names, summaries
from kit.challenges.checks import check_request
from kit.challenges.loading import examples
from kit.types import ModelOptions

if TYPE_CHECKING:
    import keras

    from kit.challenges.making import Forget, make_challenge
    from kit.types import Challenge, Recipe, Task

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
    output_name: str | None = None,
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
        output_name: of a model with several outputs, the one that the labels are for, or `all`, see `unlearn_model`.
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
    return loading.load(
        name_or_path,
        forget=forget,
        split_seed=split_seed,
        model=model,
        weights=weights,
        precision=precision,
        options=ModelOptions(recipe, id_column, task, custom_objects, builder, output=output_name),
        announce=announce,
    )
