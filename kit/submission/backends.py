"""Which backend of Keras a submission's text is bound to: plain Keras runs on each, other libraries' calls do not."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from typing import NamedTuple

from kit.submission.source import Source
from kit.submission.text_checks import encoding_problem, parse_problem, parsed

# Packages whose arrays a model has on one backend only.
_OF_PACKAGES = {"jax": "jax", "jaxlib": "jax", "flax": "jax", "optax": "jax", "torch": "torch"}
_OF_THE_KIT = ("tensorflow", "jax")
# What TensorFlow does with variables and gradients; `tf.data`, and functions in its `map`, serve every backend.
_OF_TENSORFLOW = ("GradientTape", "Variable", "custom_gradient", "function", "while_loop")


class Binding(NamedTuple):
    """A name by which a text is bound to a backend, and where it stands."""

    backend: str
    name: str
    line: int

    @property
    def fact(self) -> str:
        """What a passed check says of it."""
        return f"bound to the backend '{self.backend}' by '{self.name}' (line {self.line})"


def binding(text: str) -> Binding | None:
    """Returns the first name by which a text is bound to a backend, None where plain Keras is all that it needs.

    Args:
        text: that parses.

    Example:
        >>> binding("import tensorflow as tf\\ntape = tf.GradientTape()").fact
        "bound to the backend 'tensorflow' by 'tensorflow.GradientTape' (line 2)"
        >>> binding("import keras\\nimport tensorflow as tf\\ntf.data.Dataset") is None
        True
    """
    return min(_bindings(parsed(text)), key=lambda binding: binding.line, default=None)


def binding_of(source: Source) -> Binding | None:
    """Returns `binding` of a submission's file, or of the first helper beside it that has one."""
    for name in sorted(source.files, key=lambda name: (name != source.entry, name)):
        content = source.files[name]
        text = "" if encoding_problem(content) else importlib.util.decode_source(content)
        bound = None if parse_problem(text) else binding(text)
        if bound is not None:
            return bound
    return None


def backend_problem(bound: Binding | None, backend: str) -> str:
    """Returns what is wrong with such a text where Keras runs on a backend.

    Example:
        >>> backend_problem(binding("import torch"), "torch"), backend_problem(None, "jax")
        ('', '')
    """
    if bound is None or bound.backend == backend:
        return ""
    elsewhere = f", or have the command run with --backend {bound.backend}" if bound.backend in _OF_THE_KIT else ""
    return (
        f"Line {bound.line} uses '{bound.name}', which computes with models of the backend '{bound.backend}', and "
        f"Keras runs on '{backend}' here. Expected a file for this backend, or one in plain Keras (keras, keras.ops, "
        f"NumPy, tf.data), which runs on each. Write it so{elsewhere}."
    )


def _bindings(tree: ast.Module) -> Iterator[Binding]:
    modules = {"tensorflow"}  # names that stand for TensorFlow
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname for alias in node.names if alias.name == "tensorflow" and alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            names = [f"tensorflow.{node.attr}"]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            backend = "tensorflow" if package == "tensorflow" and rest in _OF_TENSORFLOW else _OF_PACKAGES.get(package)
            if backend is not None:
                yield Binding(backend, name, node.lineno)
