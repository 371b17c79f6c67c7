"""Labels of a model with several outputs, given for each by its name: in files, in tables, in data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kit.types import InputError
from kit.types.model_options import ALL_OUTPUTS

if TYPE_CHECKING:
    import numpy as np


def chosen(labels: Mapping[str, np.ndarray], output: str, names: Sequence[str], *, what: str) -> np.ndarray:
    """Returns the labels of the output that is meant, or of all side by side.

    Args:
        labels: by the name of the output, each of n examples.
        output: its name, or `all`.
        names: of all outputs of the model, in their order.
        what: for people: where the labels are.

    Returns:
        The labels as they are; of all outputs, float64 (n, columns), in the order of the outputs.

    Raises:
        InputError: no output is named, or one that has no labels; for all, labels that do not go together.

    Example:
        >>> import numpy as np
        >>> labels = {"age": np.array([3.5, 4.0]), "kind": np.array([1, 0])}
        >>> chosen(labels, "kind", ["kind", "age"], what="The file").tolist()
        [1, 0]
        >>> chosen(labels, "all", ["kind", "age"], what="The file").tolist()
        [[1.0, 3.5], [0.0, 4.0]]
    """
    if output in labels:
        return labels[output]
    if output == ALL_OUTPUTS:
        return _side_by_side(labels, names, what)
    asked = f"the output '{output}' was asked for." if output else "no output was named."
    raise InputError(
        f"{what} has labels of the outputs {_listed(sorted(labels))}, and {asked} Expected one of these, or "
        f"'{ALL_OUTPUTS}' for all outputs of the model. Say it with --output-name (output_name in Python) or with "
        "output = ... under [data] in the recipe, or give the labels of a model with one output by themselves, as 'y'."
    )


def _side_by_side(labels: Mapping[str, np.ndarray], names: Sequence[str], what: str) -> np.ndarray:
    import numpy as np

    missing = [name for name in names if name not in labels]
    if missing or not names:
        expected = f"each of {_listed(names)}" if names else "each output of a model of yours (--model)"
        raise InputError(
            f"All outputs were asked for, and there are no labels of {_listed(missing) or 'any that is known'}: {what} "
            f"has those of {_listed(sorted(labels))}. Expected labels for {expected}, by its name: arrays 'y_NAME' in "
            "an .npz file, or columns that label = [...] under [data] lists. Add them, or name a single output."
        )
    columns = [np.asarray(labels[name]) for name in names]
    shapes = [column.shape for column in columns]
    if {column.dtype.kind for column in columns} - {*"fiub"} or len({shape[:1] for shape in shapes}) > 1:
        raise InputError(
            f"The labels of the outputs {_listed(names)} have the shapes {', '.join(map(str, shapes))} and the dtypes "
            f"{', '.join(str(column.dtype) for column in columns)}. Expected numbers, as many rows of each. Make "
            "numbers of the names of classes with numpy.unique(y, return_inverse=True)."
        )
    return np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1).astype(np.float64)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
