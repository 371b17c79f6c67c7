"""How a stranger's file is run, from the options of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kit.commands import options

if TYPE_CHECKING:
    from kit.runs.contained import Containment


@dataclass(frozen=True)
class Limits:
    """The options of files: whether they run in the sandbox, and the seconds and GiB that end a call."""

    sandboxed: bool | None
    time_limit: float | None
    memory_limit: float | None

    @property
    def memory_bytes(self) -> int | None:
        """The limit of memory in bytes; None where none was given."""
        return None if self.memory_limit is None else int(self.memory_limit * 2**30)

    def containment(self) -> Containment:
        """Returns how files are run; imports what runs them."""
        from kit.runs.contained import Containment

        return Containment(self.time_limit, self.memory_bytes, self.sandboxed)


def decide_sandbox(asked_for: bool | None, has_files: bool) -> bool:
    """Returns whether files run in the sandbox; says in a line what is given up where they do not.

    Args:
        asked_for: by the option; None where nothing was, and this machine decides.
        has_files: whether there are any.

    Raises:
        InputError: it was asked for, and does not work here.
    """
    if not has_files and not asked_for:
        return False
    from kit.submission import sandbox

    if asked_for:
        sandbox.require_sandbox()
        return True
    problem = "--no-sandbox was given." if asked_for is False else sandbox.sandbox_problem()
    if problem:
        options.tell(
            [f"Files run without the sandbox, with all of your rights on this machine and its network. {problem}"]
        )
    return not problem


def sandbox_for(identifier: str, asked_for: bool | None) -> bool:
    """Checks that there is such a method or file, and returns whether it runs in the sandbox: see `decide_sandbox`."""
    from kit import methods
    from kit.submission.source import check_identifier

    check_identifier(identifier)
    return decide_sandbox(asked_for, has_files=identifier not in methods.names())
