"""A user's recipe in a TOML file: how the model is trained, its loss, and which column of a table is what."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.storage import files
from kit.types import DataColumns, InputError, Recipe, StartWeights
from kit.types.loss_settings import LossSettings
from kit.types.recipe import OPTIMIZERS

if TYPE_CHECKING:
    from kit.models.compiled import Compiled

_FROM_MODEL = "from model"
_LARGEST_BATCH = 2**31
# Of a training whose rates are computed one by one.
_MOST_EPOCHS = 100_000
# Lines that say rates, by which those of a model's schedule are left aside.
_RATES = {"learning_rate", "schedule", "rates", "milestones", "step_factor"}
_LARGEST = 1e6  # of the ends of a range of pixels
# What a recipe leaves out, for optimisers that take other steps than SGD: Keras's own defaults.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "adam": {"learning_rate": 0.001, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"},
    "adamw": {"learning_rate": 0.001, "momentum": 0.0, "weight_decay": 0.004, "schedule": "constant"},
    "rmsprop": {"learning_rate": 0.001, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"},
}


@dataclass(frozen=True)
class RecipeFile:
    """What a file says of a training; what it leaves out has defaults.

    Args:
        path: for people; empty where there is no file, and every field is there.
        fields: of a `kit.Recipe`.
        batch_size: examples a batch.
        data: columns of a table.
        loss: what the lines under `[loss]` say.
        phases: the fields of each table `[[phase]]`, in their order; those above hold for all.
        start: what the lines under `[start]` say, its path from where the kit runs.
    """

    path: Path
    fields: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 64
    data: DataColumns = field(default_factory=DataColumns)
    loss: LossSettings | None = None
    phases: tuple[Mapping[str, Any], ...] = ()
    start: StartWeights | None = None

    @property
    def is_from_model(self) -> bool:
        """Whether the optimizer, of a phase at least, is the one that the model was compiled with."""
        return any(fields.get("optimizer") == _FROM_MODEL for fields in self._fields_of_phases)

    @property
    def _fields_of_phases(self) -> list[Mapping[str, Any]]:
        """Returns the fields of each phase: its own lines over those that stand above all phases."""
        return [{**self.fields, **phase} for phase in self.phases or ({},)]

    def recipe(self, compiled: Compiled | None, steps: int = 1) -> Recipe:
        """Returns the recipe.

        Args:
            compiled: what the model was compiled with, where that is known: for `optimizer = "from model"`.
            steps: of an epoch, by which a schedule of the model's becomes rates of epochs.

        Raises:
            InputError: the model does not say how it was trained, or values with which nothing can be trained.
        """
        *earlier, last = (self._phase(fields, compiled, steps) for fields in self._fields_of_phases)
        if not earlier and self.start is None:
            return last
        return dataclasses.replace(last, earlier=tuple(earlier) or last.earlier, start=self.start or last.start)

    def _phase(self, fields: Mapping[str, Any], compiled: Compiled | None, steps: int) -> Recipe:
        if fields.get("optimizer") == _FROM_MODEL:
            if compiled is None or not compiled.optimizer:
                raise InputError(
                    f"The recipe '{self.path}' says optimizer = '{_FROM_MODEL}', and the model does not say with what "
                    "it was trained: it was saved without its compile settings, or with another optimizer "
                    f"than {', '.join(OPTIMIZERS)}. Expected one of these. Write its name, and the learning rate."
                )
            of_model = {"optimizer": compiled.optimizer, "schedule": "constant", **compiled.settings}
            if compiled.schedule is not None and not fields.keys() & _RATES:
                epochs = fields.get("epochs", Recipe.epochs)
                if type(epochs) is int and 0 < epochs <= _MOST_EPOCHS:
                    rates = compiled.schedule.rates(epochs=epochs, steps=steps)
                    of_model |= {"schedule": "listed", "rates": rates, "learning_rate": max(rates)}
            fields = of_model | {name: value for name, value in fields.items() if name != "optimizer"}
        return Recipe(**{**_DEFAULTS.get(str(fields.get("optimizer")), {}), **fields})


def read(path: Path) -> RecipeFile:
    """Reads a recipe, a batch size (64 by default) and columns from a TOML file.

    Raises:
        InputError: the file is missing or no TOML, or names what a recipe has not.
    """
    fields = [entry.name for entry in dataclasses.fields(Recipe) if entry.name not in ("earlier", "start")]
    expected = (
        f"a TOML file in UTF-8 with lines such as 'epochs = 20'; the names are {', '.join([*fields, 'batch_size'])}, "
        "under [data] those of columns, under [loss] class_weights and label_smoothing, under [start] a path, and "
        "under each [[phase]] again some of the first"
    )
    content: dict[str, Any] = files.checked(lambda: tomllib.loads(path.read_text(encoding="utf-8-sig")), path, expected)
    unknown = sorted(content.keys() - {*fields, "batch_size", "data", "loss", "phase", "start"})
    if unknown:
        raise InputError(
            f"The recipe '{path}' has a line for '{unknown[0]}'. Expected {expected}. Correct the name, or take the "
            "line out."
        )
    data, loss = _columns(path, content.pop("data", {})), _loss(path, content.pop("loss", None))
    phases, start = _phases(path, content.pop("phase", []), fields), _start(path, content.pop("start", None))
    batch_size = content.pop("batch_size", 64)
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or not 1 <= batch_size <= _LARGEST_BATCH:
        raise InputError(
            f"The batch size in '{path}' is {batch_size!r:.40}. Expected a whole number, 1 or more and below "
            "2**31. Write, for instance, batch_size = 64."
        )
    return RecipeFile(path, content, batch_size, data, loss, phases, start)


def _phases(path: Path, tables: Any, fields: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(tables, list) or any(not isinstance(table, dict) or table.keys() - {*fields} for table in tables):
        raise InputError(
            f"A phase of the recipe '{path}' has a line that it does not know. Expected a table [[phase]] for each "
            f"phase, with some of {', '.join(fields)}; what is the same in all phases, and batch_size, stands above "
            "them. Correct it."
        )
    return tuple(tables)


def _start(path: Path, section: Any) -> StartWeights | None:
    if section is None:
        return None
    names = [entry.name for entry in dataclasses.fields(StartWeights)]
    if not isinstance(section, dict) or section.keys() - {*names} or not isinstance(section.get("path"), str):
        raise InputError(
            f"The section [start] of the recipe '{path}' names no path, or has a line that it does not know. Expected "
            f"{', '.join(names)}, such as path = 'base.keras', a file beside the recipe. Correct it."
        )
    return StartWeights(**{**section, "path": str(path.parent / section["path"])})


def _loss(path: Path, section: Any) -> LossSettings | None:
    if section is None:
        return None
    names = [entry.name for entry in dataclasses.fields(LossSettings)]
    if not isinstance(section, dict) or section.keys() - {*names}:
        raise InputError(
            f"The section [loss] of the recipe '{path}' has a line that it does not know. Expected "
            f"{' and '.join(names)}, such as class_weights = 'balanced', or label_smoothing = 0.1. Correct it."
        )
    return LossSettings(**section)


def _columns(path: Path, section: Any) -> DataColumns:
    names = [entry.name for entry in dataclasses.fields(DataColumns)]
    lists = ("features", "classes", "slices")
    pixels = section.pop("pixel_range", []) if isinstance(section, dict) else []
    sound = isinstance(section, dict) and all(
        (isinstance(value, list) and all(isinstance(part, str) for part in value))
        if name in lists or (name == "label" and isinstance(value, list))
        else isinstance(value, str)
        for name, value in section.items()
    )
    unknown = sorted(section.keys() - {*names}) if isinstance(section, dict) else []
    if unknown or not sound:
        reason = f"a line for '{unknown[0]}'" if unknown else "a value of another kind"
        raise InputError(
            f"The section [data] of the recipe '{path}' has {reason}. Expected lines such as label = 'income', of "
            f"{', '.join(names)}; {' and '.join(lists)} are lists of names. Correct it."
        )
    values: dict[str, Any] = {name: tuple(value) if name in lists else value for name, value in section.items()}
    return DataColumns(**values, pixel_range=_pixel_range(path, pixels))


def _pixel_range(path: Path, values: Any) -> tuple[float, ...]:
    numbers = isinstance(values, list) and all(
        type(value) in (int, float) and abs(value) < _LARGEST for value in values
    )
    if not numbers or (values and (len(values) != 2 or not values[0] < values[1])):
        raise InputError(
            f"The recipe '{path}' has pixel_range = {values!r:.60}. Expected two numbers that rise, to which the "
            "values 0 to 255 of images are stretched. Write, for instance, pixel_range = [0, 1] for images that were "
            "divided by 255."
        )
    return tuple(map(float, values))
