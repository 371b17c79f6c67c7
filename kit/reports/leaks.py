"""What the process of a method gives away, as a file beside a run's report, a table, and a section of its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.reports import _sealed

if TYPE_CHECKING:
    from rich.table import Table

NAME = "leaks.json"
_HALF_WIDTH = 1.959964
# What the attacker of each line sees and asks.
QUESTIONS: Mapping[str, str] = {
    "slice AUC": "time: was the record in a late slice?",
    "slice bits": "time: bits about the slice",
    "shard bits": "time: bits about the shard",
    "membership AUC": "time: was the record in training at all?",
    "number AUC": "time: were eight records deleted, or one?",
    "slow-down": "time: requests chosen by a placement that is known, over the mean",
    "slow-down, other key": "time: requests chosen by a wrong key, over the mean",
    "slowest request": "time: the slowest request, over the mean",
    "update AUC": "answers before and after: which of two was deleted?",
    "update AUC, before alone": "answers before alone: the same question",
    "update AUC, retrain": "answers before and after, of exact retraining",
    "reconstruction, exact": "weights of a linear model, data of the others known: cosine to the deleted record",
    "reconstruction, public": "the same, with public records only",
    "reconstruction, nearest": "the public record whose answer changes most",
}


@dataclass(frozen=True)
class Leak:
    """A line: what an attacker gets by one question.

    Args:
        name: one of `QUESTIONS`.
        mode: how requests were served: `plain`, `constant`, `padded` or `batched`.
        clock: what was read, `passes` or `CPU seconds`; empty where it was no time.
        value: None where it cannot be measured.
        stderr: of the value; None where a single number has none.
        ideal: what an attacker gets who sees nothing; None where there is no such number.
        reason: why there is no value.
    """

    name: str
    mode: str
    clock: str
    value: float | None
    stderr: float | None = None
    ideal: float | None = None
    reason: str = ""

    @property
    def shown(self) -> bool:
        """Whether the 95 % interval leaves out the ideal: something is given away."""
        if self.value is None or self.ideal is None:
            return False
        return abs(self.value - self.ideal) > _HALF_WIDTH * (self.stderr or 0.0) + 1e-9

    @property
    def text(self) -> str:
        """The value and its standard error, or the reason why there is none."""
        if self.value is None:
            return self.reason
        return f"{self.value:.3f}" + ("" if self.stderr is None else f" ±{self.stderr:.3f}")


@dataclass(frozen=True)
class Price:
    """What serving costs in one mode.

    Args:
        mode: see `Leak`.
        passes, cpu_seconds: of a request, the mean.
        waiting: CPU seconds from the beginning of the work to the answer, the mean; of `batched` without the time in
            which a batch fills, which is for the requests to say.
        requests: answered by one call.
    """

    mode: str
    passes: float
    cpu_seconds: float
    waiting: float
    requests: int = 1


@dataclass(frozen=True)
class Leaks:
    """What was measured of one method.

    Args:
        method: its name.
        challenge: its name.
        requests: how many single deletions were served in each mode.
        leaks, prices: the lines, in their order.
    """

    method: str
    challenge: str
    requests: int
    leaks: tuple[Leak, ...]
    prices: tuple[Price, ...]

    def leak(self, name: str, mode: str = "plain", clock: str = "passes") -> Leak:
        """Returns a line.

        Raises:
            KeyError: there is none.
        """
        for line in self.leaks:
            if (line.name, line.mode) == (name, mode) and line.clock in (clock, ""):
                return line
        raise KeyError(f"there is no line '{name}' of {mode} by {clock}")

    @property
    def sentence(self) -> str:
        """What is given away, in one sentence."""
        plain = [line.name for line in self.leaks if line.shown and line.mode == "plain"]
        names = dict.fromkeys(name for name in plain if "," not in name)  # others are there to be compared with
        if not names:
            return f"Of {self.method}, served plainly, none of these attackers learns anything here."
        return f"Of {self.method}, served plainly, attackers learn by: {', '.join(names)}."


def to_json(leaks: Leaks) -> dict[str, Any]:
    """Returns what is written, with its digest."""
    return _sealed.to_json(leaks)


def write(path: Path, leaks: Leaks) -> None:
    """Writes them, atomically."""
    _sealed.write(path, leaks)


def read(path: Path) -> Leaks:
    """Returns what `write` was given.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    return _sealed.read(path, Leaks, "the leaks.json that 'kit leaks' writes beside a report")


def tables(leaks: Leaks) -> tuple[Table, Table]:
    """Returns the lines, and the prices, as tables for a terminal or a notebook."""
    from rich.table import Table
    from rich.text import Text

    lines, prices = Table(box=None, padding=(0, 2, 0, 0)), Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "served", "clock", "value", "nothing learnt"):
        lines.add_column(name, no_wrap=name == "")
    for line in leaks.leaks:
        ideal = "" if line.ideal is None else f"{line.ideal:g}"
        value = Text(line.text, "bold" if line.shown else "")
        lines.add_row(Text(line.name), line.mode, line.clock, value, ideal)
    for name in ("served", "requests a call", "passes a request", "CPU seconds a request", "seconds to the answer"):
        prices.add_column(name)
    for price in leaks.prices:
        numbers = (f"{price.passes:,.0f}", f"{price.cpu_seconds:.3f}", f"{price.waiting:.3f}")
        prices.add_row(price.mode, f"{price.requests}", *numbers)
    return lines, prices
