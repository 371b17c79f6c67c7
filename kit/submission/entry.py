"""A method, resolved once: from a name, a function or a file to what everything behind the public doors works with."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import methods
from kit.submission.contract import Unlearning
from kit.submission.source import Source, check_identifier, method_name, read_source, source_of_function
from kit.types import InputError

if TYPE_CHECKING:
    from kit.types import Challenge

Identifier = str | Path | Unlearning


@dataclass(frozen=True)
class Entry:
    """A method in a comparison: a built-in one, or a user's function or file.

    Args:
        name: under which its results appear.
        function: of a user's; it is called in the kit's own processes.
        source: of a user's file; it runs in a process of its own. Without function and source, the method is built in.
        pretraining: name of the built-in method whose own training of the original it starts from; empty for the
            challenge's recipe. The landmarks `original` and `retrain` of such a method have it too.

    Example:
        >>> entry = resolve("sisa")
        >>> entry.built_in, entry.pretraining
        (True, 'sisa')
    """

    name: str
    function: Unlearning | None = None
    source: Source | None = None
    pretraining: str = ""

    @property
    def built_in(self) -> bool:
        """Whether it is one of the kit's own methods."""
        return self.function is None and self.source is None

    @property
    def described(self) -> str:
        """What it is, for messages."""
        if self.source is not None:
            return f"the file '{self.source.entry}'"
        return f"the built-in method '{self.name}'" if self.built_in else f"the function '{self.name}'"

    def load(self) -> Unlearning:
        """Returns the function of a built-in method, or a user's; a file is never imported here."""
        if self.source is not None:
            raise TypeError(f"{self.described} runs in a process of its own (kit.submission.contained)")
        return self.function or methods.get(self.name)

    def as_source(self) -> Source:
        """Returns the method as bytes, to be hashed or run in a process of its own.

        Raises:
            InputError: a function that cannot be copied.
        """
        if self.function is not None:
            return source_of_function(self.function)
        built_in = methods.path(self.name)
        return self.source or read_source(built_in, package=methods.__name__)

    def settings(self, challenge: Challenge) -> dict[str, Any]:
        """Returns the keyword arguments that a challenge gives to the method.

        None to a file or function that has the name of a built-in method: they may not even be its own.
        """
        if not self.built_in and self.name in methods.names():
            return {}
        return dict(challenge.hyperparameters.get(self.name, {}))

    def trained_as(self, pretraining: str) -> Entry:
        """Returns the same method, starting from an original that another method has trained."""
        return replace(self, pretraining=pretraining)

    def __reduce__(self) -> tuple[Any, ...]:
        """Makes a user's function pickle, with what it refers to, wherever the rest does."""
        content = None if self.function is None else source_of_function(self.function).files["function.pickle"]
        return _restored, (self.name, content, self.source, self.pretraining)


def _restored(name: str, function: bytes | None, source: Source | None, pretraining: str) -> Entry:
    loaded = None if function is None else pickle.loads(function)  # noqa: S301 (pickled by this kit's own driver)
    return Entry(name, loaded, source, pretraining)


def resolve(method: Identifier) -> Entry:
    """Returns the method that a name, a function or the path of a file stands for; nothing of it is executed.

    Raises:
        InputError: an unknown name (near matches are shown), a file that is missing or cannot be read.

    Example:
        >>> resolve(lambda net, retain, forget, validation: net).described
        "the function 'lambda'"
    """
    if not isinstance(method, str | os.PathLike) and not callable(method):
        raise InputError(
            f"{method!r} is no method. Expected a name, a function or the path of a Python file, one of them. To "
            "compare several, use kit.evaluate_all."
        )
    name = method_name(method)
    if callable(method):
        return Entry(name, function=method)
    check_identifier(method)
    if str(method) in methods.names():
        return Entry(name, pretraining=name if methods.trains_its_own(name) else "")
    return Entry(name, source=read_source(Path(method)))


def resolve_all(identifiers: Sequence[Identifier]) -> list[Entry]:
    """Returns the methods without repetitions, in their order.

    Raises:
        InputError: as for `resolve`; one method in place of a list; two different methods of one name, whose rows
            nobody could tell apart.
    """
    if isinstance(identifiers, str | Path) or callable(identifiers):
        raise InputError(
            f"One method, {identifiers!r}, was given where several are taken. Expected a list of names, functions or "
            "paths. Write [...] around it, or use kit.evaluate for a single one."
        )
    entries: dict[str, Entry] = {}
    for entry in map(resolve, identifiers):
        namesake = entries.get(entry.name, Entry(entry.name) if entry.name in methods.names() else entry)
        if not entry.built_in and entry != namesake:
            raise InputError(
                f"{entry.described[0].upper()}{entry.described[1:]} would appear as '{entry.name}', which is the name "
                f"of {namesake.described} already. Expected methods of different names, and none of a built-in one. "
                "Rename the file or the function."
            )
        entries[entry.name] = entry
    return list(entries.values())
