"""Many calls of a method at once: each runs by itself up to what needs computing, which is done for all together.

A method is ordinary Python: it draws random numbers from NumPy, loops, takes decisions. Only what it asks of the
toolbox (an epoch of training, a gradient, a forward pass) is worth a graphics card. So each member runs in a thread of
its own, one at a time, until it asks; once all of them wait, those that wait for the same function are computed in one
call under `vmap`, and go on. A method knows nothing of that, and draws the numbers that it would draw alone.
"""

from __future__ import annotations

import contextvars
import random
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from kit.toolbox._jax.placement import Placement, filled_up

if TYPE_CHECKING:
    from kit.toolbox._jax.pure import Pure

_HERE = threading.local()


def current() -> Member | None:
    """Returns the member whose thread this is, if it is one's."""
    return getattr(_HERE, "member", None)


@dataclass(frozen=True)
class _World:
    """What members share, and would change under each other's hands: kept for each while others run."""

    read: Callable[[], Any]
    write: Callable[[Any], None]

    def now(self) -> tuple[Any, ...]:
        """Returns the present state, with those of Python's and NumPy's random numbers."""
        return random.getstate(), np.random.get_state(), self.read()

    def put_back(self, state: tuple[Any, ...]) -> None:
        """Makes a state the present one."""
        random.setstate(state[0])
        np.random.set_state(state[1])
        self.write(state[2])


@dataclass
class _Request:
    """What a member waits for."""

    pure: Pure
    carry: Any
    fixed: Any
    items: Sequence[Any]

    def kind(self) -> Hashable:
        """What requests have in common that can be computed together."""
        leaves, structure = jax.tree.flatten((self.carry, self.fixed, self.items))
        return (
            id(self.pure),
            structure,
            tuple((np.shape(leaf), str(getattr(leaf, "dtype", type(leaf)))) for leaf in leaves),
        )


class _Ended(BaseException):
    """Ends the thread of a member that nobody waits for any more."""


@dataclass
class Member:
    """One call among many."""

    function: Callable[[], Any]
    world: _World
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    request: _Request | None = None
    state: tuple[Any, ...] = ()
    answer: Any = None
    result: Any = None
    error: BaseException | None = None
    finished: bool = False
    ended: bool = False

    def start(self) -> None:
        """Starts its thread, which waits for its first turn."""
        context = contextvars.copy_context()
        threading.Thread(target=lambda: context.run(self._run), daemon=True).start()

    def go_on(self) -> None:
        """Gives it a turn, and waits until it is through or needs something computed."""
        self.turn.release()
        self.back.acquire()

    def wait_for(self, pure: Pure, carry: Any, fixed: Any, items: Sequence[Any]) -> Any:
        """Waits, in its own thread, until what it asks for has been computed with that of others."""
        self.request, self.state = _Request(pure, carry, fixed, items), self.world.now()
        self.back.release()
        self.turn.acquire()
        if self.ended:
            raise _Ended
        self.world.put_back(self.state)
        answer, self.answer = self.answer, None
        return answer

    def _run(self) -> None:
        _HERE.member = self
        self.turn.acquire()
        try:
            if not self.ended:
                self.result = self.function()
        except BaseException as error:
            self.error = error
        self.finished = True
        self.back.release()


def run(
    functions: Sequence[Callable[[], Any]], read: Callable[[], Any], write: Callable[[Any], None], at_once: int
) -> list[Any]:
    """Calls functions of no argument in lockstep, and returns what they return; see `kit.toolbox.lockstep`.

    Args:
        functions: what they have compiled (`Pure`) is computed for all of them together.
        read: returns the present state of all that they share.
        write: puts such a state back.
        at_once: each computation is filled up to so many members, of whom each device that there is has its share.

    Raises:
        Exception: what the first of them raised, or what a computation did; the others are ended.
    """
    world, placement = _World(read, write), Placement()
    before = world.now()
    members = [Member(function, world) for function in functions]
    for member in members:
        member.start()
    try:
        ready = list(members)
        while ready:
            for member in ready:
                if member.request is None:
                    world.put_back(before)
                member.request = None
                member.go_on()
                if member.error is not None:
                    raise member.error
            waiting = [member for member in members if not member.finished]
            ready = _largest_group(waiting)
            if ready:
                world.put_back(ready[0].state)  # what is traced asks which layers are frozen
                _compute(ready, filled_up(at_once), placement)
    finally:
        for member in members:
            if not member.finished:
                member.ended = True
                member.go_on()
        world.put_back(before)
    return [member.result for member in members]


def _largest_group(waiting: Sequence[Member]) -> list[Member]:
    groups: dict[Hashable, list[Member]] = {}
    for member in waiting:
        if member.request is not None:
            groups.setdefault(member.request.kind(), []).append(member)
    return max(groups.values(), key=len) if groups else []


def _compute(members: Sequence[Member], at_once: int, placement: Placement) -> None:
    """Computes what members wait for in one call, and hands each its part."""
    requests = [member.request for member in members if member.request is not None]
    requests = [*requests, *[requests[-1]] * (at_once - len(requests))]
    pure = requests[0].pure
    carry, carry_axes = _stacked([request.carry for request in requests], placement, always=True)
    fixed, fixed_axes = _stacked([request.fixed for request in requests], placement)
    if carry is None and 0 not in fixed_axes:  # all have asked for the very same
        answer = pure.stacked(None)(None, fixed, None)
        for member in members:
            member.answer = answer
        return
    for number in range(len(requests[0].items)):
        item, item_axes = _stacked([request.items[number] for request in requests], placement)
        carry = pure.stacked((*carry_axes, *fixed_axes, *item_axes))(carry, fixed, item)
    leaves, structure = jax.tree.flatten(jax.device_get(carry))
    for place, member in enumerate(members):
        member.answer = jax.tree.unflatten(structure, [leaf[place] for leaf in leaves])


def _stacked(trees: Sequence[Any], placement: Placement, *, always: bool = False) -> tuple[Any, Any]:
    """Returns arrays with a leading axis of members, and each leaf's axis for `vmap`; what all share has none."""
    columns, structure = [], jax.tree.structure(trees[0])
    for column in zip(*(jax.tree.leaves(tree) for tree in trees), strict=True):
        shared = not always and all(_is_same(column[0], leaf) for leaf in column[1:])
        columns.append((column[0], None) if shared else (np.stack([np.asarray(leaf) for leaf in column]), 0))
    arrays = jax.tree.unflatten(structure, [placement.put(array, axis) for array, axis in columns])
    return arrays, tuple(axis for _, axis in columns)


def _is_same(first: Any, other: Any) -> bool:
    if first is other:
        return True
    if not isinstance(first, np.ndarray) or not isinstance(other, np.ndarray):
        return False
    return first.__array_interface__ == other.__array_interface__
