"""A user's Keras model as the model of a challenge: checked, brought to logits, and turned into plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kit import files, models
from kit.types import Arrays, InputError

# Processes that the kit starts know the layers of these packages only.
_KNOWN_PACKAGES = ("keras", "kit")
_EXPECTED = (
    "Expected a functional or sequential Keras model with one input and one output of shape (batch, classes), logits "
    "or a softmax of them."
)


def load(path: Path) -> keras.Model:
    """Loads a `.keras` file in safe mode, which runs no code of the file's.

    Raises:
        InputError: the file is missing, damaged, of another format, or holds what safe mode refuses.
    """
    if path.suffix != ".keras":
        raise InputError(
            f"The model '{path}' is no .keras file. Expected one, or a name of {', '.join(models.MODELS)}. Save it "
            "with model.save('model.keras'); older formats can hold code."
        )
    load_model = keras.saving.load_model
    return files.checked(
        lambda: load_model(path, compile=False, safe_mode=True), path, "a .keras file without Lambda or custom layers"
    )


def load_weights(net: keras.Model, path: Path) -> None:
    """Reads weights into a model: `.weights.h5` as Keras writes it, or `.npz` with the arrays 0, 1, ... in its order.

    Raises:
        InputError: the file is missing or damaged, or its arrays do not fit the model.
    """
    expected = f"the weights of '{net.name}', {len(net.weights)} arrays, as .weights.h5 or .npz"

    def read() -> None:
        if path.name.endswith(".weights.h5"):
            net.load_weights(path)
        else:
            stored = files.read_npz(path)
            net.set_weights([stored[str(number)] for number in range(len(stored))])

    files.checked(read, path, expected)


def adopt(net: keras.Model, arrays: Arrays, precision: str = "float32") -> tuple[str, tuple[np.ndarray, ...]]:
    """Returns a model's architecture as text that `models.build` takes, ending in logits, and its weights.

    Args:
        net: functional or sequential; left as it is. A softmax at its end is taken off, which changes no prediction and
            is compared with the original on the first examples.
        arrays: the data that it was trained for, scaled as it wants them (`uint8` is scaled to [0, 1]).
        precision: that the challenge asks for.

    Raises:
        InputError: why the model cannot be taken.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(3, activation="softmax", name="out")]
        >>> text, weights = adopt(keras.Sequential(layers), Arrays(np.eye(4), np.array([0, 1, 2, 0])))
        >>> models.build(text, (4,), 3).get_layer("out").activation.__name__
        'linear'
    """
    _check_form(net, arrays)
    _check_layers(net)
    net = models.of_one_tensor(net)  # its input or output may come in a list or dictionary of one
    text, rebuilt = _rebuilt(net, arrays, precision)
    rebuilt.set_weights(net.get_weights())
    _check_same(net, rebuilt, arrays)
    return text, tuple(rebuilt.get_weights())


def _rebuilt(net: keras.Model, arrays: Arrays, precision: str) -> tuple[str, keras.Model]:
    """Returns a model's description, ending in logits, and the model that it describes."""
    try:
        logits = _to_logits(net)
        text = json.dumps(_unseeded(keras.saving.serialize_keras_object(logits)))
        return text, models.build(text, arrays.x.shape[1:], logits.output_shape[-1], precision)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # Keras's, several screens long
        raise InputError(
            f"The model '{net.name}' cannot be rebuilt from its description, because an activation, initialiser or "
            "other part of a layer is a function of your own, which the processes that the kit starts do not know. "
            "Expected Keras's own ones. Replace it, for instance by a layer of Keras's."
        ) from error


def _check_form(net: keras.Model, arrays: Arrays) -> None:
    graph = isinstance(net, keras.Sequential) or type(net).__name__ == "Functional"
    if not graph or not net.built:
        kind = "a subclassed model" if not graph else "not built yet"
        reason = f"it is {kind}, whose layers cannot be told from outside"
    elif len(net.inputs) != 1 or len(net.outputs) != 1 or len(net.outputs[0].shape) != 2:
        inputs, outputs = ([tuple(one.shape) for one in some] for some in (net.inputs, net.outputs))
        reason = f"its inputs have the shapes {inputs}, its outputs {outputs}"
    elif tuple(net.inputs[0].shape[1:]) != arrays.x.shape[1:]:
        raise InputError(
            f"The model '{net.name}' takes examples of shape {tuple(net.inputs[0].shape[1:])}, but those of the "
            f"challenge have the shape {arrays.x.shape[1:]}. Expected the same. Reshape 'x', or choose the model of "
            "these data."
        )
    elif not arrays.y.max() < net.outputs[0].shape[-1] > 1:
        reason = (
            f"it has {net.outputs[0].shape[-1]} outputs for labels up to {arrays.y.max()}; for two classes it takes "
            "two of them, not one with a sigmoid"
        )
    else:
        return
    raise InputError(f"The model '{net.name}' cannot be taken: {reason}. {_EXPECTED} Rebuild it in that form.")


def _check_layers(net: keras.Model) -> None:
    for layer in net.layers:
        if isinstance(layer, keras.Model):
            _check_layers(layer)
        package = type(layer).__module__.partition(".")[0]
        if package not in _KNOWN_PACKAGES or isinstance(layer, keras.layers.Lambda):
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
    """Returns the model without the softmax at its end, or a copy of it where there is none."""
    last = net.layers[-1]
    if isinstance(last, keras.layers.Softmax) or (
        isinstance(last, keras.layers.Activation) and _activation(last) == "softmax"
    ):
        return keras.models.clone_model(keras.Model(net.inputs[0], last.input, name=net.name))
    activation = _activation(last)
    if activation not in ("softmax", "linear", None):
        raise InputError(
            f"The model '{net.name}' ends in the activation '{activation}' of its layer '{last.name}'. {_EXPECTED} "
            "Train it with such an end."
        )

    def without_softmax(layer: keras.layers.Layer) -> keras.layers.Layer:
        config: dict[str, Any] = layer.get_config()
        return type(layer).from_config(config | ({"activation": "linear"} if layer.name == last.name else {}))

    return keras.models.clone_model(net, clone_function=without_softmax if activation == "softmax" else None)


def _unseeded(description: Any) -> Any:
    """Returns a description whose initialisers draw anew each time: retrained models must not all begin alike."""
    if isinstance(description, list):
        return [_unseeded(part) for part in description]
    if not isinstance(description, dict):
        return description
    unseeded = {name: _unseeded(part) for name, part in description.items()}
    if description.get("module") == "keras.initializers" and "seed" in description.get("config", {}):
        unseeded["config"] = unseeded["config"] | {"seed": None}
    return unseeded


def _activation(layer: keras.layers.Layer) -> str | None:
    activation = getattr(layer, "activation", None)
    return None if activation is None else str(getattr(activation, "__name__", activation))


def _check_same(net: keras.Model, logits: keras.Model, arrays: Arrays) -> None:
    """The model that the kit goes on with must say what the user's said; a plain softmax end included."""
    x = arrays.x[:64].astype(np.float32) / (255 if arrays.x.dtype == np.uint8 else 1)
    said, says = (keras.ops.convert_to_numpy(model(x, training=False)).astype(np.float64) for model in (net, logits))
    if _activation(net.layers[-1]) == "softmax" or isinstance(net.layers[-1], keras.layers.Softmax):
        says = np.exp(says - says.max(axis=-1, keepdims=True))
        says /= says.sum(axis=-1, keepdims=True)
    elif (said >= 0).all() and np.allclose(said.sum(axis=-1), 1, atol=1e-3):
        raise InputError(
            f"The model '{net.name}' gives probabilities, but does not end in a softmax layer that could be taken off. "
            f"{_EXPECTED} Let its last layer return logits."
        )
    if not np.allclose(said, says, rtol=1e-3, atol=1e-4):
        raise InputError(
            f"The model '{net.name}' says something else once it is rebuilt from its description. {_EXPECTED} Check "
            "whether a layer changes its state when it is called."
        )
