"""A request to forget: a user's model, its data and the records, checked before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeGuard

import keras
import numpy as np

from kit.challenges import checks, frames, loading, making, model_options, tf_data, user_model
from kit.challenges.partition import steps_an_epoch
from kit.models import named_outputs
from kit.models.user import Own
from kit.requests import delivery, own_training, slices
from kit.requests.own_training import OwnTraining
from kit.storage import files
from kit.storage.digests import digest_of_arrays
from kit.types import Arrays, Challenge, DataColumns, InputError, ModelOptions, Recipe, Table

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

# What a request's data are given as; a data set of TensorFlow's is read into memory.
Data: TypeAlias = "Arrays | Table | pd.DataFrame | tf.data.Dataset | str | Path"
# Of a challenge's name, which becomes a folder's.
_LONGEST_NAME = 60
# Where no recipe says another.
_BATCH_SIZE = 64


@dataclass(frozen=True)
class DeletionRequest:
    """What is to be forgotten, by which model.

    Args:
        net: the user's model; never changed.
        challenge: data, records, recipe; its original is the user's model in the kit's form.
        data: the examples as the user's model takes them.
        rows: int64 (k,), the records' rows in the whole data set, in the order of `challenge.split.forget`.
        model_sha256: of the model's file, or of its weights.
        data_sha256: of the data's file, or of its arrays.
        own: code of the user's, which the model needs; None for none.
        slices: by name, columns of the test examples (m,) by whose values harm is looked for.
        training: the user's own training function, where that is what models are retrained by.
    """

    net: keras.Model
    challenge: Challenge
    data: Arrays | Table
    rows: np.ndarray
    model_sha256: str
    data_sha256: str
    own: Own | None = None
    training: OwnTraining | None = None
    slices: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def changed_outputs(self) -> list[str]:
        """Other outputs of the model, which change with the one that the request is about, by trained layers."""
        name = self.own.output if self.own is not None else ""
        return named_outputs.affected(self.net, name) if name else []

    @property
    def names(self) -> list[dict[str, str]]:
        """What each record is called in the data: ids by their columns, and whose it is (`owner`), if they say so."""
        train, places = self.challenge.train, self.challenge.split.forget
        columns = {**train.keys, **({} if train.groups is None else {"owner": train.groups})}
        return [{name: str(column[place]) for name, column in columns.items()} for place in places]


def prepare(
    model: keras.Model | str | Path,
    data: Data,
    forget: str | Path | Sequence[int] | np.ndarray,
    options: ModelOptions = ModelOptions(),
    *,
    partition: np.ndarray | None = None,
    batch_size: int | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> DeletionRequest:
    """Reads and checks a request; arguments as for `kit.unlearn_model`.

    Raises:
        InputError: a file that is missing or damaged, data that do not say what the model was trained on, records that
            it was not trained on, a request of nothing or of everything, a model that cannot be taken or put back.
    """
    model_options.check(options)
    training = model_options.recipe_file(options, Recipe(), _BATCH_SIZE)
    if isinstance(forget, str | Path):
        checks.check_forget(str(forget))
    examples, partition, name = _read_data(data, partition, _Reading(training.data, options.id_column, model, announce))
    own = model_options.code(options, training.data.output)
    net = user_model.read_model(examples, model, None, own)
    if isinstance(model, str | Path) and (own is None or not own.source):
        delivery.require_known_optimizer(Path(model))
    if options.recipe is None and options.retrain is None:
        announce(f"no recipe was given: reference models are retrained by the default one, {Recipe()}")
    batch_size = batch_size or training.batch_size
    steps = steps_an_epoch(partition, len(examples), batch_size)
    challenge = making.make(
        name,
        examples,
        model_options.resolved(options, training, model, net, examples.y, steps=steps, announce=announce),
        partition=partition,
        forget=forget,
        model=net,
        batch_size=batch_size,
    )
    weights = challenge.original or ()
    parts = np.asarray(partition)
    return DeletionRequest(
        net=net,
        challenge=challenge,
        data=examples,
        rows=np.flatnonzero(parts == 0)[challenge.split.forget],
        model_sha256=files.sha256_of(Path(model)) if isinstance(model, str | Path) else digest_of_arrays(weights),
        data_sha256=files.sha256_of(Path(data)) if _is_file(data) else challenge.data_sha256,
        own=own,
        training=own_training.of(options.retrain, net, examples, parts, own, task=challenge.task),
        slices=slices.columns_of(examples, training.data.slices, np.flatnonzero(parts == 2)),
    )


class _Reading(NamedTuple):
    """What data are read by: columns and ids of tables, and for a folder of images the model, and who is told."""

    columns: DataColumns
    id_column: str | None
    model: keras.Model | str | Path
    announce: Callable[[str], None]

    @property
    def outputs(self) -> Sequence[str]:
        """The names of the model's outputs, where labels are read by them."""
        return user_model.output_names(self.model) if self.columns.output else ()


def _is_file(data: Data) -> TypeGuard[str | Path]:
    return isinstance(data, str | Path) and Path(data).is_file()


def _read_data(data: Data, partition: np.ndarray | None, reading: _Reading) -> tuple[Arrays | Table, np.ndarray, str]:
    """Returns the examples, which of them the model was trained on, and a name."""
    name = "request"
    user_model.check_output(reading.model, reading.columns.output)
    if isinstance(data, str | Path):
        name = re.sub(r"[^\w.-]", "_", Path(data).stem).lstrip(".")[:_LONGEST_NAME] or "request"
        # A folder may be called as a challenge of the kit's.
        path = str(Path(data).absolute() if Path(data).is_dir() else data)
        examples, stored, _ = loading.read_examples(
            path, reading.announce, reading.columns, reading.id_column, reading.model
        )
        partition = stored if partition is None else partition
    elif frames.is_frame(data):
        examples, stored = frames.table(data, reading.columns, reading.id_column, outputs=reading.outputs)
        partition = stored if partition is None else partition
    else:
        output = reading.columns.output
        examples = tf_data.read(data, output, reading.outputs) if tf_data.is_dataset(data) else data
    if partition is None:
        raise InputError(
            "The data do not say which of the examples the model was trained on. Expected an array 'partition' beside "
            "'x' and 'y', or such a column of a table, which the recipe names under [data]: for each example 0 where "
            "the model was trained on it, 1 for validation, 2 for test. Without it, nobody could tell what there is to "
            "forget. Add it: numpy.savez(path, x=x, y=y, partition=partition); a folder of images has sub-folders "
            "train, validation and test."
        )
    return examples, partition, name
