"""A challenge by name, or from a file of examples and what a user says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kit.challenges import catalogue, checks, model_options, tables, user_data, user_model
from kit.challenges.catalogue import Preset
from kit.types import DataColumns, ModelOptions, Recipe
from kit.types.model_options import ALL_OUTPUTS

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kit.challenges.making import Forget
    from kit.types import Arrays, Challenge, Table

# Of a user's arrays: the model follows from their shape.
_OWN_DATA = Preset("", user_data.read_npz, model="", recipe=Recipe(), batch_size=64)


def load(
    name_or_path: str | Path,
    *,
    forget: Forget | None = None,
    split_seed: int = 0,
    model: str | Path | keras.Model | None = None,
    weights: str | Path | None = None,
    precision: str = "float32",
    options: ModelOptions = ModelOptions(),
    announce: Callable[[str], None] | None = None,
) -> Challenge:
    """Loads a challenge; arguments and errors as of `kit.load_challenge`.

    Example:
        >>> load("digits", options=ModelOptions(Recipe(epochs=3))).recipe.epochs
        3
    """
    checks.check_request(
        name_or_path, forget=forget, model=model, weights=weights, precision=precision, options=options
    )
    name = str(name_or_path)
    preset = catalogue.preset(name) if name in catalogue.names() else _OWN_DATA
    training = model_options.recipe_file(options, preset.recipe, preset.batch_size)
    from kit.challenges import hyperparameters, making  # NumPy, which a wrong name does not wait for
    from kit.challenges import partition as divided

    user_model.check_output(model, training.data.output)
    arrays, partition, source = read_examples(name, announce, training.data, options.id_column, model)
    has_own_model = model is not None or weights is not None
    if announce and options.recipe is None and has_own_model:
        announce(f"no recipe was given: reference models are retrained by the default one, {preset.recipe}")
    own, wanted = model_options.code(options, training.data.output), preset.model if model is None else model
    net = user_model.read_model(arrays, wanted, weights, own)
    steps, tell = divided.steps_an_epoch(partition, len(arrays), training.batch_size), announce or (lambda _: None)
    changed = preset is _OWN_DATA or options.recipe is not None or has_own_model
    challenge = making.make(
        Path(name).stem if preset is _OWN_DATA else name,
        arrays,
        model_options.resolved(options, training, model, net, arrays.y, steps=steps, announce=tell),
        partition=partition,
        forget=preset.forget if forget is None else forget,
        split_seed=split_seed,
        model=net,
        batch_size=training.batch_size,
        hyperparameters={} if changed else hyperparameters.of_challenge(name),
        published=preset.published,
        source=source,
        precision=precision,
    )
    _announce_labels_and_rows(challenge, forget, announce)
    return challenge


def _announce_labels_and_rows(
    challenge: Challenge, forget: Forget | None, announce: Callable[[str], None] | None
) -> None:
    if announce and challenge.train.classes:
        announce("labels: " + ", ".join(f"{number} = {label}" for number, label in enumerate(challenge.train.classes)))
    if announce and challenge.split.kind == "rows":  # one that was not asked for would show here
        announce(f"'{forget}' names {len(challenge.split.forget):,} of {len(challenge.train):,} training examples")


def examples(name_or_path: str | Path, announce: Callable[[str], None] | None = None) -> Arrays:
    """Returns the examples of a challenge or of an `.npz` file, before they are divided; errors as `load_challenge`.

    Example:
        >>> len(examples("digits"))
        1797
    """
    checks.check_request(name_or_path)
    data = read_examples(str(name_or_path), announce)[0]
    from kit.types import Arrays

    return data if isinstance(data, Arrays) else user_data.stacked(data)


def read_examples(
    name: str,
    announce: Callable[[str], None] | None,
    columns: DataColumns = DataColumns(),
    id_column: str | None = None,
    model: str | Path | keras.Model | None = None,
) -> tuple[Arrays | Table, np.ndarray | None, str]:
    """Returns examples, their division if it is given, and where they were found.

    Images of a folder are brought to the size that the model takes.
    """
    if name in catalogue.names():
        from kit.challenges import making

        return making.load_preset(catalogue.preset(name), announce)
    names = user_model.output_names(model) if columns.output == ALL_OUTPUTS else ()
    if Path(name).suffix.lower() in tables.SUFFIXES:
        return *tables.read(Path(name), columns, id_column, names), ""
    if Path(name).is_dir() and user_data.is_array_folder(Path(name)):
        return *user_data.read_folder(Path(name), columns.output, names), ""
    if Path(name).is_dir() and Path(name).suffix != ".npz":
        from kit.challenges import image_pixels  # a wrong name does not wait for it

        return *image_pixels.read(Path(name), columns, user_model.shape_of(model), announce), ""
    return *user_data.read_npz(Path(name), columns.output, names), ""
