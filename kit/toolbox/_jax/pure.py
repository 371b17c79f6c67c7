"""Pure functions, compiled: for one network, or under `vmap` for all members of a lockstep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
from jax.sharding import Mesh

from kit.toolbox._jax import lockstep, placement
from kit.toolbox.tensors import Tensor, as_float


class Pure:
    """A function of arrays, or of lists and tuples of them, that changes nothing.

    Called, it is compiled at the first arguments of a shape; in a member of a lockstep, for all members at once.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        """Takes a function of any arguments; for `repeat`, of a carry, of what stays, and of an item."""
        self.traces = 0
        self._function = function
        self._compiled: dict[object, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Returns the function of these arguments."""
        return self.repeat(None, arguments, [None])

    def repeat(self, carry: Any, fixed: Any, items: Sequence[Any]) -> Any:
        """Returns the carry after all items, one `carry = function(carry, fixed, item)` after another."""
        member = lockstep.current()
        if member is not None:
            return member.wait_for(self, carry, fixed, items)
        compiled = self.stacked(None)
        for item in items:
            carry = compiled(carry, fixed, item)
        return carry

    def stacked(self, axes: tuple[int | None, ...] | None) -> Callable[..., Any]:
        """Returns the compiled function, for many members if the axes of all leaves of its arguments are given."""
        mesh = None if axes is None else placement.mesh()
        if (axes, mesh) not in self._compiled:
            self._compiled[axes, mesh] = jax.jit(self._traced if axes is None else self._over_members(axes, mesh))
        return self._compiled[axes, mesh]

    def _over_members(self, axes: tuple[int | None, ...], mesh: Mesh | None) -> Callable[..., Any]:
        def stacked(carry: Any, fixed: Any, item: Any) -> Any:
            leaves, structure = jax.tree.flatten((carry, fixed, item))

            def of_leaves(*leaves: Any) -> Any:
                return self._traced(*jax.tree.unflatten(structure, leaves))

            return placement.over_members(of_leaves, axes, mesh)(*leaves)

        return stacked

    def _traced(self, carry: Any, fixed: Any, item: Any) -> Any:
        self.traces += 1
        return self._function(*fixed) if item is None else self._function(carry, fixed, item)


def logits_of(net: keras.Model, trainable: Sequence[Tensor], others: Sequence[Tensor], x: Tensor) -> Tensor:
    """Returns float32 logits in inference mode, of a network with these variables."""
    logits, _ = net.stateless_call(trainable, others, as_float(x), training=False)
    return logits if keras.backend.standardize_dtype(logits.dtype) == "float64" else keras.ops.cast(logits, "float32")


def values(variables: Sequence[keras.Variable]) -> list[Tensor]:
    """Returns what variables hold now."""
    return [variable.value for variable in variables]


def assign(variables: Sequence[keras.Variable], new: Sequence[Tensor]) -> None:
    """Gives variables new values."""
    for variable, value in zip(variables, new, strict=True):
        variable.assign(value)
