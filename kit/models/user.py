"""A user's Keras model as the model of a challenge: checked, brought to logits, and turned into plain data."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from kit import models
from kit.models.file_names import EXPECTED
from kit.types import Arrays, InputError

# A difference of accuracies on 256 examples that is no luck.
_CLEARLY = 0.15
# Processes that the kit starts know the layers of these packages only.
KNOWN_PACKAGES = ("keras", "kit")


def adopt(net: keras.Model, arrays: Arrays, precision: str = "float32") -> tuple[str, tuple[np.ndarray, ...]]:
    """Returns a model's architecture as text that `models.build_described` takes, ending in logits, and its weights.

    Args:
        net: functional or sequential; left as it is. A softmax at its end is taken off, which changes no prediction and
            is compared with the original on the first examples. Images may lack their axis of channels. What computes
            in mixed precision computes in float32 here, and trains so. Frozen layers keep their weights in every model
            that is trained anew.
        arrays: the data that it was trained for, scaled as it wants them (`uint8` is scaled to [0, 1]).
        precision: that the challenge asks for.

    Raises:
        InputError: why the model cannot be taken.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(3, activation="softmax", name="out")]
        >>> text, weights = adopt(keras.Sequential(layers), Arrays(np.eye(4), np.array([0, 1, 2, 0])))
        >>> models.build_described(text).get_layer("out").activation.__name__
        'linear'
    """
    _check_form(net, arrays)
    _check_layers(net)
    _check_weights(net)
    _check_scale(net, arrays)
    net = models.of_one_tensor(net)  # its input or output may come in a list or dictionary of one
    text, rebuilt = _rebuilt(net, arrays, precision)
    rebuilt.set_weights(net.get_weights())
    _check_same(net, rebuilt, arrays)
    return text, tuple(rebuilt.get_weights())


def _rebuilt(net: keras.Model, arrays: Arrays, precision: str) -> tuple[str, keras.Model]:
    """Returns a model's description, ending in logits, and the model that it describes."""
    try:
        logits = _of_shape(_to_logits(net), arrays.x.shape[1:])
        text = json.dumps(_plain(keras.saving.serialize_keras_object(logits)))
        return text, models.build_described(text, precision)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # Keras's, several screens long
        raise InputError(
            f"The model '{net.name}' cannot be rebuilt from its description, because an activation, initialiser or "
            "other part of a layer is a function of your own, which the processes that the kit starts do not know. "
            "Expected Keras's own ones. Replace it, for instance by a layer of Keras's."
        ) from error


def _check_form(net: keras.Model, arrays: Arrays) -> None:
    if not isinstance(net, keras.Model):
        raise InputError(f"The model is a {type(net).__name__}. {EXPECTED} Load a file with keras.saving.load_model.")
    graph = isinstance(net, keras.Sequential) or type(net).__name__ == "Functional"
    if not graph or not net.built:
        kind = "a subclassed model" if not graph else "not built yet"
        reason = f"it is {kind}, whose layers cannot be told from outside"
    elif len(net.inputs) != 1 or len(net.outputs) != 1 or len(net.outputs[0].shape) != 2:
        inputs, outputs = ([tuple(tensor.shape) for tensor in tensors] for tensors in (net.inputs, net.outputs))
        reason = f"its inputs have the shapes {inputs}, its outputs {outputs}"
    elif not _takes(tuple(net.inputs[0].shape[1:]), arrays.x.shape[1:]):
        raise InputError(
            f"The model '{net.name}' takes examples of shape {tuple(net.inputs[0].shape[1:])}, but those of the "
            f"challenge have the shape {arrays.x.shape[1:]}. Expected the same. Reshape 'x', or choose the model of "
            "these data."
        )
    elif net.outputs[0].shape[-1] == 1 and (_end(net) != "sigmoid" or arrays.y.max() > 1):
        reason = f"its single output ends in {_end(net)}, which stands for two classes, 0 and 1, behind a sigmoid only"
    elif not net.trainable_weights:
        reason = "it has no weights that training would change: its layers are frozen, or have none"
    elif arrays.y.max() >= max(net.outputs[0].shape[-1], 2):
        reason = f"it has {net.outputs[0].shape[-1]} outputs, and the labels go up to {arrays.y.max()}"
    else:
        return
    raise InputError(f"The model '{net.name}' cannot be taken: {reason}. {EXPECTED} Rebuild it in that form.")


def _takes(model_shape: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    """Returns whether examples of this shape fit: sizes may be open, and an axis of one channel may be missing."""
    if len(model_shape) == 2 and len(shape) == 3 and shape[-1] == 1:
        shape = shape[:-1]
    return len(model_shape) == len(shape) and all(
        size in (None, length) for size, length in zip(model_shape, shape, strict=True)
    )


def _of_shape(net: keras.Model, shape: tuple[int, ...]) -> keras.Model:
    """Returns the model for examples of this very shape: its own layers, one after the other, on another input."""
    model_shape = tuple(net.inputs[0].shape[1:])
    if model_shape == shape:
        return net
    images = first = keras.Input(shape, name="images")
    if len(model_shape) < len(shape):
        first = keras.layers.Reshape(shape[:-1], name="without_channels")(images)

    def call(layer: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = keras.tree.map_structure(lambda part: first if part is images else part, (args, kwargs))
        return layer(*args, **kwargs)

    # Not 'net(first)': that would make one layer of all, and methods look for the last ones.
    graph = keras.Model(net.inputs[0], net.outputs[0], name=net.name)
    return keras.models.clone_model(graph, input_tensors=images, clone_function=lambda layer: layer, call_function=call)


def _check_weights(net: keras.Model) -> None:
    for variable in net.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(variable.value).astype(np.float64)).all():
            raise InputError(
                f"The model '{net.name}' has weights that are NaN or infinite, in '{variable.path}'. Expected a "
                "trained model. Train it again with a lower learning rate."
            )


def _check_scale(net: keras.Model, arrays: Arrays) -> None:
    """Refuses a model that wants 8-bit numbers as they are: the kit hands them over in [0, 1]."""
    if arrays.x.dtype != np.uint8:
        return
    if _has_embedding(net):
        raise InputError(
            f"'x' is uint8, which the kit scales to [0, 1], and the model '{net.name}' has an embedding, which takes "
            "whole numbers. Expected these in another type. Save them with x.astype('int32')."
        )
    chosen = np.unique(np.linspace(0, len(arrays) - 1, 256).astype(int))
    images, labels = arrays.x[chosen].astype(np.float32), arrays.y[chosen]
    if len(net.inputs[0].shape) == images.ndim - 1:
        images = images[..., 0]
    right = [_accuracy(net, x, labels) for x in (images / 255, images)]
    if right[1] > right[0] + _CLEARLY:
        raise InputError(
            f"'x' is uint8, which the kit scales to [0, 1], and the model '{net.name}' then names {right[0]:.0%} of "
            f"{len(labels)} examples rightly; of the unscaled ones {right[1]:.0%}: it scales them itself. Expected a "
            "model for images in [0, 1]. Save 'x' as floats, which are left as they are: x.astype('float32')."
        )


def _has_embedding(net: keras.Model) -> bool:
    nested = any(_has_embedding(layer) for layer in net.layers if isinstance(layer, keras.Model))
    return nested or any(isinstance(layer, keras.layers.Embedding) for layer in net.layers)


def _accuracy(net: keras.Model, x: np.ndarray, labels: np.ndarray) -> float:
    outputs = keras.ops.convert_to_numpy(models.of_one_tensor(net)(x, training=False))
    predictions = outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else outputs[:, 0] > 0.5
    return float((predictions == labels).mean())


def _check_layers(net: keras.Model) -> None:
    for layer in net.layers:
        if isinstance(layer, keras.Model):
            _check_layers(layer)
        package = type(layer).__module__.partition(".")[0]
        if package not in KNOWN_PACKAGES or isinstance(layer, keras.layers.Lambda):
            raise InputError(
                f"The layer '{layer.name}' of the model '{net.name}' is a {type(layer).__name__}, which the processes "
                "that the kit starts do not know. Expected Keras's own layers, and no Lambda. Replace it, for instance "
                "by keras.layers.Rescaling where it only scales."
            )
        if hasattr(layer, "adapt") and layer.weights:
            raise InputError(
                f"The layer '{layer.name}' of the model '{net.name}' got its statistics from adapt(). They would be "
                "lost where the model is trained anew. Expected them in the layer's description. Rebuild the model "
                "with keras.layers.Normalization(mean=..., variance=...), or scale 'x' beforehand."
            )


def _to_logits(net: keras.Model) -> keras.Model:
    """Returns the model without the softmax at its end, or a copy of it where there is none.

    A single output z behind a sigmoid becomes the logits (0, z), whose softmax gives the same probabilities.
    """
    end, last = _end(net), net.layers[-1]
    if end not in ("softmax", "linear", "sigmoid") or (end == "sigmoid" and net.outputs[0].shape[-1] > 1):
        raise InputError(
            f"The model '{net.name}' ends in the activation '{end}' of its layer '{last.name}'. {EXPECTED} Train it "
            "with such an end."
        )
    if isinstance(last, keras.layers.Softmax | keras.layers.Activation):
        logits = keras.models.clone_model(keras.Model(net.inputs[0], last.input, name=net.name))
    else:

        def linear(layer: keras.layers.Layer) -> keras.layers.Layer:
            config: dict[str, Any] = layer.get_config()
            changed = layer.name == last.name and "activation" in config
            return type(layer).from_config(config | ({"activation": "linear"} if changed else {}))

        logits = keras.models.clone_model(net, clone_function=None if end == "linear" else linear)
    if net.outputs[0].shape[-1] > 1:
        return logits
    column = keras.layers.Reshape((1, 1), name="as_column")(logits.outputs[0])
    pair = keras.layers.ZeroPadding1D((1, 0), name="logit_of_class_0")(column)
    return keras.Model(logits.inputs[0], keras.layers.Flatten(name="two_logits")(pair), name=net.name)


def _end(net: keras.Model) -> str:
    """Returns the name of the activation at a model's end."""
    last = net.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return "softmax"
    activation = getattr(last, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))


def _plain(description: Any) -> Any:
    """Returns a description in float32 whose initialisers draw anew: retrained models must not all begin alike."""
    if isinstance(description, list):
        return [_plain(part) for part in description]
    if not isinstance(description, dict):
        return description
    plain = {name: _plain(part) for name, part in description.items()}
    if description.get("module") == "keras.initializers" and "seed" in description.get("config", {}):
        plain["config"] = plain["config"] | {"seed": None}
    if description.get("class_name") == "DTypePolicy":  # losses in 16 bits would coincide
        plain["config"] = {"name": "float32"}
    return plain


def _check_same(net: keras.Model, logits: keras.Model, arrays: Arrays) -> None:
    """Checks that the rebuilt model gives the outputs of the user's, a softmax or sigmoid at its end included."""
    x = arrays.x[:64].astype(np.float32) / (255 if arrays.x.dtype == np.uint8 else 1)
    model_x = x[..., 0] if len(net.inputs[0].shape) == x.ndim - 1 else x
    user_outputs, outputs = (
        keras.ops.convert_to_numpy(keras.ops.cast(model(images, training=False), "float32")).astype(np.float64)
        for model, images in ((net, model_x), (logits, x))
    )
    bad = ~np.isfinite(user_outputs).all(axis=-1)
    if bad.any():
        raise InputError(
            f"The model '{net.name}' gives NaN or infinite outputs, for example {int(np.argmax(bad))} of 'x' first. "
            "Expected finite ones. Look in the model for a division by 0 or a logarithm of it, or leave the example "
            "out."
        )
    if _end(net) in ("softmax", "sigmoid"):
        outputs = softmax(outputs, axis=-1)[:, -user_outputs.shape[1] :]  # of a sigmoid: that of class 1
    elif (user_outputs >= 0).all() and np.allclose(user_outputs.sum(axis=-1), 1, atol=1e-3):
        raise InputError(
            f"The model '{net.name}' gives probabilities, but does not end in a softmax layer that could be taken off. "
            f"{EXPECTED} Let its last layer return logits."
        )
    precise = net.compute_dtype == "float32" and all(layer.compute_dtype == "float32" for layer in net.layers)
    if not np.allclose(user_outputs, outputs, rtol=1e-3 if precise else 0.05, atol=1e-4 if precise else 0.05):
        raise InputError(
            f"The model '{net.name}' says something else once it is rebuilt from its description. {EXPECTED} Check "
            "whether a layer changes its state when it is called."
        )
