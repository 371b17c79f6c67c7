"""A user's own layers, losses and functions, from a Python file that the user says may be run.

Nothing here looks for such a file: without one, models are read in Keras's safe mode. The text of the file is part of
a model's description, so that other processes and machines build the same model, and other code makes another digest.
"""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from kit.types import InputError

_LARGEST = 1 << 20


def read(path: Path) -> str:
    """Returns the text of a file of Python.

    Raises:
        InputError: it is missing, too large, or no Python.
    """
    try:
        text = path.read_text(encoding="utf-8")
        compile(text, str(path), "exec")
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"The file '{path}' cannot be read as Python ({type(error).__name__}: {error}). Expected the file that "
            "defines the model's own layers or builds the model. Correct it, or its name."
        ) from error
    if len(text) > _LARGEST:
        raise InputError(
            f"The file '{path}' has {len(text):,} characters. Expected {_LARGEST:,} at most. Leave data out of it."
        )
    return text


def names(source: str) -> dict[str, Any]:
    """Runs the text of a file, once in a process, and returns the classes and functions that it defines.

    Raises:
        InputError: it raises an error, or imports what is not there.

    Example:
        >>> sorted(names("def doubled(x):\\n    return 2 * x"))
        ['doubled']
    """
    name = f"kit_user_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        module = types.ModuleType(name)
        sys.modules[name] = module
        try:
            exec(compile(source, f"<{name}>", "exec"), module.__dict__)  # noqa: S102 (the user says that it may)
        except Exception as error:
            del sys.modules[name]
            raise InputError(
                f"The file of custom objects raised {type(error).__name__}: {error}. Expected a file that defines "
                "layers and functions, and imports nothing but installed packages. Put what it needs into the file."
            ) from error
    defined = vars(sys.modules[name]).items()
    return {key: value for key, value in defined if getattr(value, "__module__", "") == name and callable(value)}


def enable(source: str) -> None:
    """Has Keras find a file's classes and functions in this process, and functions that models carry as code.

    Copies of a layer are made wherever a network is copied, its weights are drawn anew or a part of it is taken, by
    Keras's own functions: what they look up has to be known to the process, not within a block.

    Raises:
        InputError: the file cannot be executed, see `names`.
    """
    keras.saving.get_custom_objects().update(names(source))
    keras.config.enable_unsafe_deserialization()


def built(source: str, function: str) -> keras.Model:
    """Returns the model that a function of a file makes.

    Raises:
        InputError: there is no such function, or it makes no model.
    """
    makes: Callable[[], Any] | None = names(source).get(function)
    if makes is None:
        raise InputError(
            f"The builder's file has no function '{function}'. Expected one without arguments that returns the model, "
            f"as in --builder FILE.py:{function}. It defines {', '.join(sorted(names(source))) or 'nothing'}."
        )
    net = makes()
    if not isinstance(net, keras.Model):
        raise InputError(
            f"The function '{function}' returned a {type(net).__name__}. Expected a keras.Model, with weights of any "
            "values. Return it."
        )
    return net


@keras.saving.register_keras_serializable(package="kit")
class Built(keras.layers.Layer):
    """A model that a function of a user's makes, as a layer: what has no configuration that Keras could read.

    Args:
        source, function: the text of a file, and the name of its function.
        options: further ones of `keras.layers.Layer`, such as `name`.
    """

    def __init__(self, source: str, function: str, **options: Any) -> None:
        """Takes further options as Keras's layers do, so that Keras can copy and load this one.

        Raises:
            InputError: see `built`.
        """
        super().__init__(**options)
        self.source, self.function = source, function
        self.net = built(source, function)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns what the model does."""
        return self.net(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """Returns what Keras needs to build the same layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {"source": self.source, "function": self.function}
