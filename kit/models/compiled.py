"""How a model was trained, as far as what it was compiled with says it: read as plain data, nothing is looked up."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kit.models.schedules import Schedule

_TASKS = {
    "sparse_categorical_crossentropy": "classification",
    "categorical_crossentropy": "classification",
    "categorical_focal_crossentropy": "classification",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "mean_squared_error": "regression",
    "mse": "regression",
    "mean_absolute_error": "absolute regression",
    "mae": "absolute regression",
}
_OPTIMIZERS = {"adam": "adam", "adamw": "adamw", "rmsprop": "rmsprop", "sgd": "sgd"}
_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


@dataclass(frozen=True)
class Compiled:
    """What a model was compiled with.

    Args:
        loss: in Keras's spelling with underscores; empty where there is none, or several.
        optimizer: as a recipe has it; empty for one that recipes do not know.
        settings: fields of a recipe: learning rate, momentum, weight decay, clipping.
        left_out: what of it a recipe cannot say, for people.
        label_smoothing: of the loss.
        schedule: of the learning rate, where it is one of Keras's and no number.
        loss_weight: what the loss of an output is multiplied by in the sum of all.
    """

    loss: str = ""
    optimizer: str = ""
    settings: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    label_smoothing: float = 0.0
    schedule: Schedule | None = None
    loss_weight: float = 1.0

    def task(self, outputs: int) -> str:
        """Returns the name of the task that the loss is of, for so many outputs; empty where it tells none.

        Example:
            >>> Compiled("binary_crossentropy").task(1), Compiled("binary_crossentropy").task(4)
            ('classification', 'multilabel')
        """
        task = _TASKS.get(self.loss, "")
        return ("classification" if outputs == 1 else "multilabel") if task == "binary" else task


class Output(NamedTuple):
    """Which of several outputs is asked for, by name, and the names of all in the order of a list of losses."""

    name: str = ""
    names: Sequence[str] = ()


def of(net: keras.Model, output: Output = Output()) -> Compiled:
    """Returns what a model in this process was compiled with."""
    try:
        return _read(net.get_compile_config() if net.compiled else None, output)
    except (TypeError, ValueError, NotImplementedError, AttributeError):  # parts of it have no configuration
        return Compiled()


def of_file(path: Path, output: Output = Output()) -> Compiled:
    """Returns what the model in a `.keras` file was compiled with; nothing where that cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as stream:
            return _read(json.loads(stream.read(16 << 20)).get("compile_config"), output)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile):
        return Compiled()


def _read(config: Any, output: Output) -> Compiled:
    if not isinstance(config, dict):
        return Compiled()
    optimizer, settings, left_out = _optimizer(config.get("optimizer"))
    loss, schedule = _loss_of(config.get("loss"), output), _schedule(config.get("optimizer"))
    return Compiled(
        _name(loss), optimizer, settings, left_out, _label_smoothing(loss), schedule, _weight(config, output)
    )


def _loss_of(loss: Any, output: Output) -> Any:
    """Returns the loss of an output, where there is one for each, by name or in a list.

    Example:
        >>> _loss_of({"a": "mse", "b": "mae"}, Output("b")), _loss_of(["mse", "mae"], Output("b", ["a", "b"]))
        ('mae', 'mae')
    """
    if isinstance(loss, dict) and output.name and "class_name" not in loss:
        by_name = output.name in loss or {*loss} <= {*output.names}
        return loss.get(output.name) if by_name else loss
    if isinstance(loss, list) and len(loss) == len(output.names) and output.name in output.names:
        return loss[list(output.names).index(output.name)]
    return loss


def _weight(config: dict[str, Any], output: Output) -> float:
    """Returns what the loss of an output is multiplied by: 1 where nothing is said of it."""
    weights = config.get("loss_weights")
    weight = _loss_of(weights, output) if isinstance(weights, list | dict) else None
    return float(weight) if isinstance(weight, int | float) else 1.0


def _schedule(optimizer: Any) -> Schedule | None:
    """Returns the schedule of an optimizer, if it has one that is Keras's own."""
    settings = optimizer.get("config") if isinstance(optimizer, dict) else None
    part = settings.get("learning_rate") if isinstance(settings, dict) else None
    if not isinstance(part, dict) or part.get("registered_name") is not None:
        return None
    described = part.get("config")
    schedule = Schedule(str(part.get("class_name")), described) if isinstance(described, dict) else None
    return schedule if schedule is not None and schedule.is_known else None


def _label_smoothing(loss: Any) -> float:
    """Returns the label smoothing of a loss that is a class with its settings; 0 where it has none."""
    if isinstance(loss, list | dict) and len(loss) == 1:
        return _label_smoothing(loss[0] if isinstance(loss, list) else next(iter(loss.values())))
    settings = loss.get("config") if isinstance(loss, dict) else None
    value = settings.get("label_smoothing") if isinstance(settings, dict) else None
    return float(value) if isinstance(value, int | float) and 0 <= value < 1 else 0.0


def _name(loss: Any) -> str:
    """Returns the name of a loss, of a text, a class with its settings, a function, or a list or dictionary of one."""
    if isinstance(loss, dict) and "class_name" in loss:
        function = loss["class_name"] == "function"
        return _name(loss.get("config") if function else loss["class_name"])
    if isinstance(loss, list | dict) and len(loss) == 1:
        return _name(loss[0] if isinstance(loss, list) else next(iter(loss.values())))
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", loss).lower() if isinstance(loss, str) else ""


def _optimizer(part: Any) -> tuple[str, dict[str, float], tuple[str, ...]]:
    if isinstance(part, str):
        return _OPTIMIZERS.get(part.lower(), ""), {}, ()
    if not isinstance(part, dict) or not isinstance(part.get("config"), dict):
        return "", {}, ()
    name, config = str(part.get("class_name")), part["config"]
    settings: dict[str, float] = {}
    left_out = []
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        if _schedule(part) is None:
            left_out.append(f"its schedule {rate.get('class_name')}")
        described = rate.get("config", {})
        rate = described.get("initial_learning_rate", (described.get("values") or [None])[0])
    named = {key: config.get(key) for key in ("momentum", "weight_decay", *_CLIPS)}
    for key, value in {"learning_rate": rate, **named}.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            settings[key] = float(f"{value:.7g}")  # Keras keeps rates in 32 bits
    return _OPTIMIZERS.get(name.lower(), ""), {"weight_decay": 0.0, "momentum": 0.0} | settings, tuple(left_out)
