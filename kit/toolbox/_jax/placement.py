"""The members of a lockstep on several devices: each computes its share of them, with a copy of what all share.

Nothing passes between devices, for models know nothing of each other: each runs the very program that one device would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

_MEMBERS = "members"


def devices() -> Sequence[jax.Device]:
    """Returns those of this process, which JAX computes on."""
    present: Sequence[jax.Device] = jax.local_devices()
    return present


def mesh() -> Mesh | None:
    """Returns the devices in a row, or None where there is but one, on which nothing has to be placed."""
    present = devices()
    return Mesh(np.array(present), (_MEMBERS,)) if len(present) > 1 else None


def filled_up(members: int) -> int:
    """Returns the next number of members of which each device has as many as the others."""
    return -(-members // len(devices())) * len(devices())


def over_members(function: Callable[..., Any], axes: Sequence[int | None], on: Mesh | None) -> Callable[..., Any]:
    """Returns a function for many members: under `vmap`, and on each device of a mesh for its share.

    Args:
        function: of arrays.
        axes: of each array 0, where it has an axis of members, else None.
        on: see `mesh`.
    """
    mapped = jax.vmap(function, in_axes=tuple(axes))
    if on is None:
        return mapped
    specifications = tuple(_specification(axis) for axis in axes)
    return jax.shard_map(mapped, mesh=on, in_specs=specifications, out_specs=PartitionSpec(_MEMBERS), check_vma=False)


class Placement:
    """Puts arrays where they are needed; what all members share is copied to each device once."""

    def __init__(self) -> None:
        """For the devices that there are now."""
        self.mesh = mesh()
        self._copies: dict[int, tuple[Any, Any]] = {}  # with the array itself, so that no other one gets its id

    def put(self, array: Any, axis: int | None) -> Any:
        """Returns an array on the devices: a share of it on each, or a copy where it has no axis of members."""
        if self.mesh is None:
            return array
        sharding = NamedSharding(self.mesh, _specification(axis))
        if axis is not None or not isinstance(array, jax.Array):
            return jax.device_put(array, sharding)
        if id(array) not in self._copies:
            self._copies[id(array)] = (array, jax.device_put(array, sharding))
        return self._copies[id(array)][1]


def _specification(axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(_MEMBERS)
