"""A request to forget: a user's model, its data and the records, checked before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kit import files
from kit.challenges import checks, making, user
from kit.digests import digest_of_arrays
from kit.models import user_files
from kit.requests import delivery
from kit.types import Arrays, Challenge, InputError, Recipe

# Of a challenge's name, which becomes a folder's.
_LONGEST_NAME = 60


@dataclass(frozen=True)
class DeletionRequest:
    """What is to be forgotten, by which model.

    Args:
        net: the user's model; never changed.
        challenge: data, records, recipe; its original is the user's model in the kit's form.
        rows: int64 (k,), the records' rows in the whole data set, in the order of `challenge.split.forget`.
        model_sha256: of the model's file, or of its weights.
        data_sha256: of the data's file, or of its arrays.
    """

    net: keras.Model
    challenge: Challenge
    rows: np.ndarray
    model_sha256: str
    data_sha256: str

    @property
    def owners(self) -> list[str]:
        """Whose each record is, where the data say so (`groups`); else nothing."""
        groups = self.challenge.train.groups
        return [] if groups is None else [str(owner) for owner in groups[self.challenge.split.forget]]


def prepare(
    model: keras.Model | str | Path,
    data: Arrays | str | Path,
    forget: str | Path | Sequence[int] | np.ndarray,
    *,
    partition: np.ndarray | None = None,
    recipe: Recipe | str | Path | None = None,
    batch_size: int | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> DeletionRequest:
    """Reads and checks a request; arguments as for `kit.unlearn_model`.

    Raises:
        InputError: a file that is missing or damaged, data that do not say what the model was trained on, records that
            it was not trained on, a request of nothing or of everything, a model that cannot be taken or put back.
    """
    arrays, partition, name = _read_data(data, partition)
    if isinstance(forget, str | Path):
        checks.check_forget(str(forget))
    if isinstance(model, str | Path):
        net, model_sha256 = user_files.load(Path(model)), files.sha256_of(Path(model))
        delivery.require_known_optimizer(Path(model))
    else:
        net, model_sha256 = model, ""
    how, size = _read_recipe(recipe, announce)
    challenge = making.make_challenge(
        name,
        arrays,
        partition=partition,
        forget=forget,
        model=net,
        recipe=how,
        batch_size=batch_size or size,
    )
    delivery.check_fitting(net, challenge.original or ())
    return DeletionRequest(
        net=net,
        challenge=challenge,
        rows=np.flatnonzero(np.asarray(partition) == 0)[challenge.split.forget],
        model_sha256=model_sha256 or digest_of_arrays(challenge.original or ()),
        data_sha256=challenge.data_sha256 if isinstance(data, Arrays) else files.sha256_of(Path(data)),
    )


def _read_data(data: Arrays | str | Path, partition: np.ndarray | None) -> tuple[Arrays, np.ndarray | None, str]:
    """Returns the examples, which of them the model was trained on, and a name."""
    if isinstance(data, Arrays):
        arrays, name = data, "request"
    else:
        arrays, stored = user.read_npz(Path(data))
        partition = stored if partition is None else partition
        name = re.sub(r"[^\w.-]", "_", Path(data).stem).lstrip(".")[:_LONGEST_NAME] or "request"
    if partition is None:
        raise InputError(
            "The data do not say which of the examples the model was trained on. Expected an array 'partition' beside "
            "'x' and 'y': for each example 0 where the model was trained on it, 1 for validation, 2 for test. Without "
            "it, nobody could tell what there is to forget. Add it: numpy.savez(path, x=x, y=y, partition=partition)."
        )
    return arrays, partition, name


def _read_recipe(recipe: Recipe | str | Path | None, announce: Callable[[str], None]) -> tuple[Recipe, int]:
    if isinstance(recipe, str | Path):
        return user.read_recipe(Path(recipe))
    if recipe is None:
        announce(f"no recipe was given: reference models are retrained by the default one, {Recipe()}")
    return recipe or Recipe(), 64
