"""The user's own training function: what a user's models are retrained by, where no recipe says how they are trained.

Where the recipe of a model is a program (early stopping, several phases, losses of its own), the program is the
reference. It is called in this process, which runs it as the user would.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kit.machine import xla
from kit.models import copies, custom, matching, user
from kit.models.user import Own
from kit.requests import delivery
from kit.tasks import Joint
from kit.toolbox import seeding
from kit.types import Arrays, FailedRun, InputError, Table, Task
from kit.types.arrays import numbered

# model, x, y, validation_data=(x, y) -> the trained model, or None where it is the one that was handed over
Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class OwnTraining:
    """Trains the user's model by the user's function, on some of the training examples.

    Args:
        function: `train(model, x, y, validation_data)`, as `kit.unlearn_model` describes it.
        name: of the function, for people.
        sha256: of the file that it is from; empty for a function of this process.
        net: the user's model; left as it is.
        data: the examples as the user's model takes them.
        rows: int64 (n,), of the training examples in `data`.
        validation: int64, of those that are handed over as validation data.
        own: code of the user's that the model needs.
        joint: of a model with several outputs that are all trained, their tasks; None for one output.
    """

    function: Function
    name: str
    sha256: str
    net: keras.Model
    data: Arrays | Table
    rows: np.ndarray = field(repr=False)
    validation: np.ndarray = field(repr=False)
    own: Own
    joint: Joint | None = None

    def __call__(self, start: Sequence[np.ndarray], places: np.ndarray, seed: int) -> list[np.ndarray]:
        """Returns the weights of a model that was trained on these examples, as the challenge's model has them.

        Args:
            start: weights to begin with, newly drawn but for frozen layers.
            places: positions among `rows`.
            seed: of Python, NumPy, Keras and the backend.

        Raises:
            FailedRun: the function raised an error, returned no model, or one of another architecture.
        """
        net = delivery.copy_of(self.net, self.data, self.own)
        user.put_back(net, start, self.data, self.own)
        (x, y), validation_data = self._examples(self.rows[places]), self._examples(self.validation)
        seeding.set_random_seed(seed)
        try:
            with xla.not_in_a_users_call():
                returned = self.function(net, x, y, validation_data=validation_data, **self._weights_of(places))
        except Exception as error:  # whatever the user's function raises
            raise self._failed(error) from error
        return self._weights(net if returned is None else returned, start)

    @property
    def described(self) -> dict[str, str]:
        """The function's name and, of a file, its digest."""
        return {"function": self.name} | ({"sha256": self.sha256} if self.sha256 else {})

    def among(self, places: np.ndarray) -> OwnTraining:
        """Returns the same training for some of its examples, which are then counted from 0.

        Args:
            places: int64 (n,), positions among `rows`.
        """
        return replace(self, rows=self.rows[places])

    def _examples(self, rows: np.ndarray) -> tuple[Any, Any]:
        """Returns x and y as `fit` takes them.

        x is as the model is called with it, texts as tensors; y as in the data, texts by their numbers, or of all
        outputs an array for each, in a list or a dictionary as the model gives them.
        """
        graph = user.graph_of(self.net, self.data, self.own)
        arrays = [array[rows] for array in user.given(graph, self.data, len(self.data))]
        parts = [matching.tensor(array) if array.dtype.kind in "US" else array for array in arrays]
        y, _ = numbered(np.asarray(self.data.y), self.data.classes)
        x = matching.structured(graph, parts)
        if self.joint is None:
            return x, y[rows]
        labels = [head.task.check(part) for head, part in self.joint.labels(y[rows])]
        return x, keras.tree.pack_sequence_as(self.net.output, labels)

    def _weights_of(self, places: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the argument `sample_weight`, where the data have weights of examples."""
        weights = self.data.sample_weight
        return {} if weights is None else {"sample_weight": np.asarray(weights)[self.rows[places]]}

    def _weights(self, net: Any, start: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the weights of what the function returned, if it is the user's model with other weights."""
        if not isinstance(net, keras.Model):
            raise FailedRun(
                f"The training function '{self.name}' returned a {type(net).__name__}. Expected the trained "
                "keras.Model, or None where it is the model that was handed over. Return the model."
            )
        try:
            variables = user.trained_variables(net, self.data, self.own)
        except InputError as error:
            raise self._of_another_architecture(str(error)) from error
        weights = [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables]
        shapes, expected = ([array.shape for array in arrays] for arrays in (weights, start))
        if shapes != expected:
            raise self._of_another_architecture(
                f"Its weights have the shapes {shapes[:6]}, and your model's {expected[:6]}."
            )
        if not copies.adapted_alike(net, self.net):
            raise FailedRun(
                f"The training function '{self.name}' called adapt() on preprocessing layers. Expected them as they "
                "are in your model, so that all models see the same numbers. Train the model that is handed over, "
                "and remove adapt()."
            )
        return [array.astype(like.dtype) for array, like in zip(weights, start, strict=True)]

    def _of_another_architecture(self, reason: str) -> FailedRun:
        return FailedRun(
            f"The training function '{self.name}' returned a model of another architecture. {reason} Expected your "
            "model's layers. Train the model that is handed over."
        )

    def _failed(self, error: Exception) -> FailedRun:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
        where = f"line {frames[-1].lineno} of {Path(frames[-1].filename).name.strip('<>')}"
        reason = (str(error).strip().splitlines() or [""])[0]
        return FailedRun(
            f"The training function '{self.name}' failed in {where} with {type(error).__name__}: {reason:.300} "
            "Expected train(model, x, y, validation_data) to compile the model, fit it and return it. Fix the "
            "function; --debug shows the whole traceback."
        )


def of(
    given: Function | str | None,
    net: keras.Model,
    data: Arrays | Table,
    partition: np.ndarray,
    own: Own | None,
    *,
    task: Task,
) -> OwnTraining | None:
    """Returns the training that a user's function stands for; None where there is no function.

    Args:
        given: the function, or `FILE.py:function`; the file is run.
        net: the user's model; left as it is.
        data: training and validation examples, as the model takes them.
        partition: of each example, to which set it belongs: see `kit.unlearn_model`.
        own: code of the user's that the model needs; None for none.
        task: what the labels are.

    Raises:
        InputError: the file cannot be read or run, or has no such function.
    """
    if given is None:
        return None
    function: Any = given
    name, sha256 = getattr(given, "__name__", "train"), ""
    if isinstance(given, str):
        path, _, name = given.rpartition(":")
        source = custom.read(Path(path))
        function, sha256 = custom.names(source).get(name), hashlib.sha256(source.encode()).hexdigest()
        if function is None:
            raise InputError(
                f"The file '{path}' has no function '{name}'. Expected train(model, x, y, validation_data), which "
                "trains the model and returns it. Correct the name after the colon of --retrain."
            )
    if not callable(function):
        raise InputError(
            f"The training function is {given!r:.80}. Expected a function, or FILE.py:function. Pass retrain=train."
        )
    rows, validation = (np.flatnonzero(np.asarray(partition) == part) for part in (0, 1))
    joint = task if isinstance(task, Joint) else None
    return OwnTraining(function, name, sha256, net, data, rows, validation, own or Own(), joint)
