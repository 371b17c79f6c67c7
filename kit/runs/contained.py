"""Many runs of a file: in one process while nothing is carried from run to run, else in one a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit import files
from kit.digests import digest_of
from kit.machine import environment
from kit.models.weights import same_weights
from kit.rules import PATIENCE_RETRAININGS, PATIENCE_SECONDS
from kit.runs import originals, timing
from kit.submission.contained import Contained, Limits
from kit.submission.source import Source
from kit.types import Challenge

# Keras keeps some 4 MB of each model that is compiled in a process; after so many runs a fresh one takes over.
_RUNS_A_PROCESS = 64


def limits_for(challenge: Challenge) -> Limits:
    """Returns what a contained run may take by default: far more than the budget, to end what never would."""
    return Limits(seconds=PATIENCE_SECONDS + PATIENCE_RETRAININGS * timing.reference_seconds(challenge))


@dataclass(frozen=True)
class Containment:
    """How a file is run: seconds of a call and bytes of memory (where None, `limits_for(challenge)`), and a sandbox."""

    seconds: float | None = None
    memory_bytes: int | None = None
    sandboxed: bool = False

    def limits(self, challenge: Challenge) -> Limits:
        """Returns the limits on a challenge."""
        if self.seconds is not None and self.memory_bytes is not None:  # nothing has to be measured
            return Limits(self.seconds, self.memory_bytes)
        limits = limits_for(challenge)
        return Limits(self.seconds or limits.seconds, self.memory_bytes or limits.memory_bytes)


class ContainedRuns:
    """Runs a file for many seeds: in one process where no state is carried from run to run, else in one a seed.

    Where `kit validate` has not found out which, the second run is made twice, once more in a fresh process.
    """

    def __init__(self, start: Callable[[], Contained], verdict: Path) -> None:
        """Starts nothing yet: `start` makes a process that is entered here, `verdict` is where it is recorded."""
        self._start, self._runs = start, 0
        self._verdict = verdict
        self._current: Contained | None = None

    def run(self, seed: int) -> tuple[Sequence[np.ndarray], float]:
        """Returns the weights and the seconds of the run with `seed`."""
        carries = carries_state(self._verdict) if self._runs else False
        self._runs += 1
        if carries is True or self._runs % _RUNS_A_PROCESS == 1:
            self.close()
        if self._current is None:
            self._current = self._start().__enter__()
        returned = self._current.run(seed)
        if carries is None:
            with self._start() as fresh:
                alone = fresh.run(seed)
            record_carried_state(self._verdict, not same_weights(returned.weights, alone.weights))
            returned = alone
        return returned.weights, returned.seconds

    def close(self) -> None:
        """Ends the process."""
        if self._current is not None:
            self._current.close()
            self._current = None


def verdict_path(source: Source, challenge: Challenge) -> Path:
    """Returns where it is recorded whether a submission carries state from run to run on a challenge."""
    described = [source.sha256, originals.fingerprint(challenge), environment.source_sha256(), environment.versions()]
    return files.cache_folder() / "validated" / f"{digest_of(described)[:24]}.json"


def carries_state(verdict: Path) -> bool | None:
    """Returns what was found, or None where nobody looked."""
    try:
        return bool(json.loads(verdict.read_text())["carries_state"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record_carried_state(verdict: Path, carried: bool) -> None:
    """Records what was found, for populations to come."""
    files.write_json(verdict, {"carries_state": carried})
