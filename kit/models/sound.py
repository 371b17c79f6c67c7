"""Checks of a user's model before it becomes that of a challenge: form, layers, weights, scale, outputs, labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kit import models
from kit.models import heads, inputs
from kit.models.file_names import EXPECTED
from kit.types import Arrays, InputError, Table, Task
from kit.types.arrays import numbered

# A difference of accuracies on 256 examples that is no luck.
_CLEARLY = 0.15
# Processes that the kit starts know the layers of these packages only.
KNOWN_PACKAGES = ("keras", "kit")
CUSTOM = (
    "Give it with --custom-objects FILE.py (in Python: custom_objects=...), which is run: only a file that you trust."
)


def check_is_model(net: object) -> None:
    """Refuses what is no Keras model.

    Raises:
        InputError: it is none.
    """
    if not isinstance(net, keras.Model):
        raise InputError(f"The model is a {type(net).__name__}. {EXPECTED} Load a file with keras.saving.load_model.")


def check(net: keras.Model, data: Arrays | Table, *, own: bool) -> None:
    """Refuses a graph whose outputs, layers, weights or scale do not fit.

    Args:
        net: functional or sequential.
        data: its examples.
        own: whether there is a file that defines layers of the user's.

    Raises:
        InputError: one of these does not fit.
    """
    _check_number_of_outputs(net)
    if not own:
        _check_layers(net)
    _check_weights(net)
    if isinstance(data, Arrays):
        _check_scale(net, data)
    elif inputs.takes_bytes(net, data):
        _check_bytes(net, data)


def _check_number_of_outputs(net: keras.Model) -> None:
    outputs = [tuple(tensor.shape) for tensor in net.outputs]
    if len(outputs) != 1:
        names = ", ".join(map(repr, getattr(net, "output_names", ()))) or f"{len(outputs)} outputs"
        raise InputError(
            f"The model '{net.name}' has several outputs, {names}, of the shapes {outputs}. Expected the name of one, "
            "for which the labels are, or 'all' for the sum of their losses. Say it with --output-name, or with "
            "output = ... under [data] in the recipe; all outputs stay in the model."
        )


def check_shape(net: keras.Model, data: Arrays) -> None:
    """Refuses examples of another shape than a model takes.

    Raises:
        InputError: the shapes differ, or the model takes several inputs.
    """
    if len(net.inputs) != 1:
        names = ", ".join(repr(tensor.name) for tensor in net.inputs)
        raise InputError(
            f"The model '{net.name}' has the inputs {names}, and the data one array 'x'. Expected an array for each. "
            f"Save them as 'x_{net.inputs[0].name}' and so on in the .npz file, or pass kit.Table({{name: array}}, y)."
        )
    shape, model_shape = data.x.shape[1:], tuple(net.inputs[0].shape[1:])
    if not _takes(model_shape, shape):
        raise InputError(
            f"The model '{net.name}' takes examples of shape {model_shape}, but those of the challenge have the shape "
            f"{shape}. Expected the same. Reshape 'x', or choose the model of these data."
        )


def _takes(model_shape: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    """Returns whether examples of this shape fit: sizes may be open, and an axis of one channel may be missing."""
    if len(model_shape) == 2 and len(shape) == 3 and shape[-1] == 1:
        shape = shape[:-1]
    return len(model_shape) == len(shape) and all(
        size in (None, length) for size, length in zip(model_shape, shape, strict=True)
    )


def _check_layers(net: keras.Model) -> None:
    for layer in net.layers:
        package = type(layer).__module__.partition(".")[0]
        if isinstance(layer, keras.layers.Lambda):
            raise InputError(
                f"The layer '{layer.name}' of the model '{net.name}' is a Lambda, which carries code of yours. "
                f"Expected Keras's own layers, or the Python file that defines its function. {CUSTOM}"
            )
        if package not in KNOWN_PACKAGES:
            raise InputError(
                f"The layer '{layer.name}' of the model '{net.name}' is a {type(layer).__name__}, a class of yours, "
                "which the processes that the kit starts do not know. Expected Keras's own layers, or the Python file "
                f"that defines the class, with get_config. {CUSTOM}"
            )
        if isinstance(layer, keras.Model):
            _check_layers(layer)


def _check_weights(net: keras.Model) -> None:
    for variable in net.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(variable.value).astype(np.float64)).all():
            raise InputError(
                f"The model '{net.name}' has weights that are NaN or infinite, in '{variable.path}'. Expected a "
                "trained model. Train it again with a lower learning rate."
            )


def _check_scale(net: keras.Model, arrays: Arrays) -> None:
    """Refuses a model that wants 8-bit numbers as they are: the kit hands them over in [0, 1]."""
    if arrays.x.dtype != np.uint8 or not inputs.reads_as_it_is(net):
        return
    if inputs.has_embedding(net):
        raise InputError(
            f"'x' is uint8, which the kit scales to [0, 1], and the model '{net.name}' has an embedding, which takes "
            "whole numbers. Expected these in another type. Save them with x.astype('int32')."
        )
    right = _right_by_scale(net, arrays.x, np.asarray(arrays.y))
    if right is not None and right[1] > right[0] + _CLEARLY:
        raise InputError(
            f"'x' is uint8, which the kit scales to [0, 1], and the model '{net.name}' then gets {right[0]:.0%} of "
            f"some examples right; of the unscaled ones {right[1]:.0%}: it scales them itself. Expected a model for "
            "images in [0, 1]. Save 'x' as floats, which are left as they are: x.astype('float32')."
        )


def _check_bytes(net: keras.Model, table: Table) -> None:
    """Refuses a model that wants 8-bit images in [0, 1]: it is handed 0 to 255."""
    (images,) = table.inputs.values()
    y, _ = numbered(np.asarray(table.y), table.classes)
    right = _right_by_scale(net, images, y)
    if right is not None and right[0] > right[1] + _CLEARLY:
        raise InputError(
            f"The images go from 0 to 255, of which the model '{net.name}' gets {right[1]:.0%} of some examples "
            f"right; divided by 255 {right[0]:.0%}. Expected images as the model was given them. For a folder of "
            "images, write pixel_range = [0, 1] under [data] in the recipe; save arrays as 'x', which the kit "
            "divides."
        )


def _right_by_scale(net: keras.Model, images: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """Returns how much a model names rightly of 8-bit images that are divided by 255, and of those that are not.

    None where labels are no classes."""
    if y.ndim > 1 or y.dtype.kind == "f":
        return None
    chosen = np.unique(np.linspace(0, len(images) - 1, 256).astype(int))
    x = images[chosen].astype(np.float32)
    rank = len(net.inputs[0].shape)
    x = x[..., 0] if rank == x.ndim - 1 else (x[..., np.newaxis] if rank == x.ndim + 1 else x)
    scaled, as_it_is = (_accuracy(net, part, y[chosen]) for part in (x / 255, x))
    return scaled, as_it_is


def _accuracy(net: keras.Model, x: np.ndarray, labels: np.ndarray) -> float:
    outputs = keras.ops.convert_to_numpy(models.of_one_tensor(net)(x, training=False))
    threshold = 0.0 if heads.end_of(net) == "linear" else 0.5
    predictions = outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else outputs[:, 0] > threshold
    return float((predictions == labels).mean())


def check_outputs(net: keras.Model, outputs: np.ndarray, data: Arrays | Table, task: Task) -> None:
    """Refuses a model whose outputs do not fit the labels, or are no numbers for some examples.

    Args:
        net: functional or sequential.
        outputs: (n, ...), what it gives for the first examples: more than its description says, which may be wrong.
        data: all examples.
        task: what the labels are.

    Raises:
        InputError: they do not fit, or are no numbers.
    """
    number, shape = task.num_outputs(np.asarray(data.y)), outputs.shape[1:]
    reason = ""
    if len(shape) != 1:
        reason = f"its output has the shape {shape}, several numbers for each place of an example"
    elif not net.trainable_weights:
        reason = "it has no weights that training would change: its layers are frozen, or have none"
    elif task.link == "softmax" and number > max(shape[0], 2):
        reason = f"it has {shape[0]} outputs, and the labels go up to {number - 1}"
    elif task.link != "softmax" and number != shape[0]:
        reason = f"it has {shape[0]} outputs, and an example of the task '{task.name}' {number} labels"
    if reason:
        raise InputError(f"The model '{net.name}' cannot be taken: {reason}. {EXPECTED} Rebuild it in that form.")
    bad = ~np.isfinite(outputs).all(axis=-1)
    if bad.any():
        raise InputError(
            f"The model '{net.name}' gives NaN or infinite outputs, for example {int(np.argmax(bad))} of 'x' first. "
            "Expected finite ones. Look in the model for a division by 0 or a logarithm of it, or leave the example "
            "out."
        )


def check_same(net: keras.Model, user_outputs: np.ndarray, outputs: np.ndarray) -> None:
    """Refuses a model that says something else once it is rebuilt.

    Args:
        net: the user's.
        user_outputs: (n, k), what it says of the first examples.
        outputs: what the rebuilt one says, with the user's activation at its end.

    Raises:
        InputError: the answers differ.
    """
    precise = net.compute_dtype == "float32" and all(layer.compute_dtype == "float32" for layer in _computing(net))
    if not np.allclose(user_outputs, outputs, rtol=1e-3 if precise else 0.05, atol=1e-4 if precise else 0.05):
        raise InputError(
            f"The model '{net.name}' says something else once it is rebuilt from its description. Expected the same "
            "answers for an example, whatever else is in its batch. Check whether a layer changes its state when it is "
            "called, or looks at the whole batch; a TextVectorization without output_sequence_length pads to the "
            "longest text of a batch, which only what has a mask leaves out."
        )


def _computing(net: keras.Model) -> list[Any]:
    """Returns the layers that compute in floats: what they give is rounded to their precision."""
    return [layer for layer in net.layers if str(layer.compute_dtype).startswith(("float", "bfloat"))]


def check_order(net: keras.Model, logits: np.ndarray, arrays: Arrays, task: Task) -> None:
    """Refuses labels that were numbered in another order than the model's outputs are in.

    Args:
        net: for its name.
        logits: (n, classes), what it says of the first examples.
        arrays: whose labels were numbered by their names, if they have any.
        task: what the labels are.

    Raises:
        InputError: another order gets far more of the labels right.
    """
    if task.link != "softmax" or not arrays.classes or len(arrays.classes) > logits.shape[1]:
        return
    from scipy.optimize import linear_sum_assignment

    labels, predictions = task.check(arrays.y[: len(logits)]), logits.argmax(axis=-1)
    counts = np.zeros((logits.shape[1],) * 2, int)
    np.add.at(counts, (labels, predictions), 1)
    rows, columns = linear_sum_assignment(-counts)
    best, here = counts[rows, columns].mean(), counts.trace() / len(counts)
    if (best - here) * len(counts) > (0.5 * len(labels)):
        order = [arrays.classes[row] for row in rows[np.argsort(columns)] if row < len(arrays.classes)]
        raise InputError(
            f"The labels were numbered in the order {', '.join(arrays.classes)}, in which the model '{net.name}' gets "
            f"{here * len(counts) / len(labels):.0%} of the first {len(labels)} right; in the order "
            f"{', '.join(order)} it would be {best * len(counts) / len(labels):.0%}. Expected the order of the "
            f"model's outputs. Say it: classes = {order!r} under [data] in the recipe, or classes=... of kit.Arrays."
        )
