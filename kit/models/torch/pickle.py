"""The pickle inside a file of PyTorch: read by the few instructions that tensors need, so that nothing is ever called.

Python's own unpickler, however restricted, sets attributes of what it admits, hashes what it is given and makes room
for as many memos as a file asks for. This one knows two dozen instructions and plain values.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

# An entry of a state dict takes about 200 bytes of pickle. An object takes up to 70 times what the pickle says of it.
MOST_BYTES = 4 << 20
_LARGEST_KEY = 2**31  # Python's hashes of larger integers can be made to collide
_PLAIN = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {"BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class RefusedPickleError(ValueError):
    """A pickle holds something else than tensors; the message is half a sentence."""


@dataclass(frozen=True)
class Name:
    """What a pickle calls by name, such as `torch.FloatStorage`: a text, nothing is imported."""

    text: str


def read_pickle(
    data: bytes,
    names: Collection[str],
    load: Callable[[Any], Any],
    call: Callable[[str, tuple[Any, ...]], Any],
) -> Any:
    """Returns what a pickle describes: dicts, lists, tuples, texts, numbers, and what `load` and `call` return.

    Args:
        data: the pickle; torch.save writes protocol 2.
        names: what may be named, as `module.name`.
        load: stands for a persistent id (a storage, in PyTorch's files).
        call: is given a name and the arguments that the pickle wants it called with.

    Raises:
        RefusedPickleError: another name, or an instruction that plain values and tensors do not need.
        Exception: of many kinds, for what is no sound pickle.

    Example:
        >>> import pickle
        >>> read_pickle(pickle.dumps({"epoch": [3, 4.5]}, protocol=2), (), load=print, call=print)
        {'epoch': [3, 4.5]}
    """
    if len(data) > MOST_BYTES:
        raise RefusedPickleError(f"its list of tensors takes {len(data):,} bytes where {MOST_BYTES:,} are enough")
    return _Machine(names, load, call).run(data)


class _Machine:
    """A stack, its marks and a memo, as the pickle protocol has them."""

    def __init__(
        self,
        names: Collection[str],
        load: Callable[[Any], Any],
        call: Callable[[str, tuple[Any, ...]], Any],
    ) -> None:
        self.names, self.load, self.call = names, load, call
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for code, argument, _ in pickletools.genops(data):
            name = code.name
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _PLAIN:
                self.stack.append(_PLAIN[name])
            elif name in _TUPLES:
                self._tuple(len(self.stack) - _TUPLES[name])
            elif name == "STOP":
                return self.stack.pop()
            elif name in _INSTRUCTIONS:
                _INSTRUCTIONS[name](self, argument)
            elif name != "PROTO":
                raise RefusedPickleError(f"its pickle has the instruction {name}, which tensors do not need")
        raise RefusedPickleError("its pickle has no end")

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _tuple(self, start: int) -> None:
        if start < 0:
            raise RefusedPickleError("its pickle takes values that are not there")
        self.stack[start:] = [tuple(self.stack[start:])]

    def _set(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise RefusedPickleError("its pickle changes something else than a dictionary")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) is not str and not (type(key) is int and abs(key) < _LARGEST_KEY):
                raise RefusedPickleError("its pickle has a key that is neither a text nor a small number")
            target[key] = value

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise RefusedPickleError("its pickle appends to something else than a list")
        self.stack[-1].extend(items)

    def _name(self, argument: str) -> None:
        text = argument.replace(" ", ".", 1)
        if text not in self.names:
            raise RefusedPickleError(f"it holds {shown(text)}, which is no part of a tensor")
        self.stack.append(Name(text))

    def _reduce(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not Name or type(arguments) is not tuple:
            raise RefusedPickleError("its pickle calls something that is no function")
        self.stack.append(self.call(function.text, arguments))

    def _build(self, _: object) -> None:
        self.stack.pop()  # attributes of a dictionary: PyTorch keeps versions of modules there
        if type(self.stack[-1]) is not dict:
            raise RefusedPickleError("its pickle sets attributes of something else than a dictionary")


def _remember(machine: _Machine, number: int) -> None:
    machine.memo[number] = machine.stack[-1]


def _recall(machine: _Machine, number: int) -> None:
    machine.stack.append(machine.memo[number])


_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine._tuple(machine.marks.pop()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "SETITEM": lambda machine, _: machine._set([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine._set(machine._since_mark()),
    "APPEND": lambda machine, _: machine._extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine._extend(machine._since_mark()),
    "GLOBAL": _Machine._name,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
    "BINPERSID": lambda machine, _: machine.stack.append(machine.load(machine.stack.pop())),
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "BINGET": _recall,
    "LONG_BINGET": _recall,
}


def shown(name: object) -> str:
    """Returns a name of a file that nobody vouches for: quoted, in ASCII, cut.

    Example:
        >>> shown("fc.weight"), shown("x" * 100)[-9:]
        ("'fc.weight'", "xxxxx...'")
    """
    text = str(name)
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")
