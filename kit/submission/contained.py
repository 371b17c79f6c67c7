"""Runs a submission in a process of its own that is handed the four arguments and nothing else.

Without bubblewrap this protects from accidents: endless loops, crashes, memory, stray files, a flood of output. With it
(`sandboxed=True`, Linux) the process also has no network, no home folder, no sight of other processes and a read-only
system, which protects from malice as far as the kernel does. Either way nothing that the process hands back is
executed or unpickled: the answer is a `.npz` of weights, checked before use, and lines of JSON, believed in nothing
that matters.
"""

from __future__ import annotations

import contextlib
import json
import math
import queue
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import psutil

from kit.machine import threads, yardstick
from kit.machine.cores import Cores
from kit.machine.cpu_seconds import Meter
from kit.models.weights import RefusedWeightsError, expected_like, read_strangers_file
from kit.rules import IMPORT_SECONDS, MEMORY_BYTES, MEMORY_SHARE
from kit.storage.scratch import Scratch
from kit.submission import handover, sandbox
from kit.submission.answers import Imported, Returned, number
from kit.submission.diagnosis import explain, too_slow
from kit.submission.handover import Inputs
from kit.submission.inside import FORKS
from kit.submission.pipes import Output, Replies
from kit.submission.returned import refusal
from kit.submission.source import Source
from kit.submission.supervisor import is_stopped
from kit.types import BrokenSubmission, Cost

START_SECONDS, WRITE_SECONDS = 120.0, 60.0
_GRACE_SECONDS = 1.0
_LOOK_SECONDS = 0.5
# A process that works is waited for so many times longer by the clock, if it has this share of a processor.
_LONGEST_WAIT, _LEAST_SHARE = 20, 0.03
# A process that waits for its next run takes less of a processor.
_AT_REST = 0.1
_TOKEN = "KIT_CONTAINED"  # noqa: S105 (the name of an environment variable)


def default_memory_bytes() -> int:
    """Half of the machine's memory, 8 GiB at most."""
    return int(min(MEMORY_BYTES, psutil.virtual_memory().total * MEMORY_SHARE))


@dataclass(frozen=True)
class Limits:
    """What a contained run may take: seconds for one call, bytes of resident memory of all its processes."""

    seconds: float = 600.0
    memory_bytes: int = field(default_factory=default_memory_bytes)


class Contained:
    """Contained runs of a submission, each in a fresh process, forked from one that has the libraries.

    A context manager.

    Example:
        with Contained(source, inputs, Limits(seconds=60)) as contained:
            returned = contained.run(seed=0)
    """

    def __init__(self, source: Source, inputs: Inputs, limits: Limits, *, sandboxed: bool = False) -> None:
        """Describes the process; it starts at `with`."""
        self.source, self.inputs, self.limits, self.sandboxed = source, inputs, limits, sandboxed
        self.imported: Imported | None = None
        self.outcome: dict[str, Any] = {}
        self._used = False
        self._expected = expected_like(inputs.weights)
        self._token = secrets.token_hex(16)

    def __enter__(self) -> Self:
        if self.sandboxed:
            sandbox.require_sandbox()
        self.outcome = {}
        self._scratch = Scratch("kit-contained-")
        self._folder = self._scratch.path
        try:
            handover.write(self._folder, self.source, self.inputs)
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        command = [sys.executable, "-P", "-m", "kit.submission.inside", str(self._folder)]
        supervisor = [sys.executable, "-P", "-m", "kit.submission.supervisor"]
        supervisor += ["--memory", str(self.limits.memory_bytes), "--grace", str(_GRACE_SECONDS)]
        supervisor += ["--outcome", str(self._folder / "outcome.json")]
        self._cores = Cores(threads.number())
        supervisor += ["--cores", *map(str, self._cores.numbers), "--"]
        self._process = subprocess.Popen(
            [*supervisor, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._folder,
            env=handover.environment(self._folder) | {_TOKEN: self._token},
            start_new_session=True,
        )
        self._meter = Meter(self._process.pid)
        assert self._process.stdout is not None and self._process.stderr is not None  # noqa: PT018 (pipes above)
        self._output, self._replies = Output(self._process.stderr), Replies(self._process.stdout)
        self._request({"sandbox": sandbox.command(self._folder) if self.sandboxed else []})
        self._wait("started", START_SECONDS, "starting")
        self._handing_over = self._rehearsed() if FORKS else Cost(0.0, cpu_seconds=0.0)

    def _rehearsed(self) -> Cost:
        """Returns what a run costs that does nothing: what each costs the kit, once its process is there."""
        self._request({"seed": None})
        start, _ = self._wait("importing", START_SECONDS, "starting")
        before = self._meter.seconds()
        for kind in ("imported", "calling", "returned", "written"):
            self._wait(kind, START_SECONDS, "starting")  # nothing of the submission is there yet
        end, _ = self._wait("ended", START_SECONDS, "starting")
        return Cost(end - start, self._meter.seconds() - before)

    def _request(self, content: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # the next reply tells why nobody listens
            self._process.stdin.write(json.dumps(content).encode() + b"\n")
            self._process.stdin.flush()

    def run(self, seed: int) -> Returned:
        """Calls the submission once with a fresh copy of the original model, in a fresh process that imports it.

        Raises:
            BrokenSubmission: it raised an error, ended or was ended, or what it returned cannot be used. No further
                run can be made then.
            InputError: bubblewrap does not work any more.
        """
        if self._used and not FORKS:
            self.close()
            self.__enter__()
        self._used, before = True, self._yardstick()
        printed = self.output_bytes  # here, as soon as it imports it may print
        self._request({"seed": seed})
        start, _ = self._wait("importing", START_SECONDS, "starting")
        self._billed = self._meter.seconds()  # what a process costs before it has touched the submission is the kit's
        _, reply = self._wait("imported", IMPORT_SECONDS, "importing")
        self.imported = Imported.heard(reply, self._output.since(printed))
        self._wait("calling", START_SECONDS, "preparing")
        self._wait("returned", self.limits.seconds, "calling")
        _, reply = self._wait("written", WRITE_SECONDS, "returning")
        end, ended = self._wait("ended", WRITE_SECONDS, "returning")
        cost = self._cost(end - start, reply)
        cost = replace(cost, yardstick=(before + self._yardstick()) / 2)
        return Returned(self._read_weights(), cost, reply, ended.get("outlived", 0))

    def _cost(self, seconds: float, reply: Mapping[str, Any]) -> Cost:
        """Returns what was spent since a run's process began to import, besides handing over.

        The process tells of its tracing alone: when a call begins and ends is its own word, and nothing hangs on it.
        """
        operations = int(max(number(reply.get("operations")), 0.0))
        spent = max(self._meter.seconds() - self._billed - self._handing_over.cpu_seconds, 0.0)
        seconds = max(seconds - self._handing_over.seconds, 0.0)
        return Cost(seconds, spent, max(number(reply.get("tracing")), 0.0), operations)

    def _wait(self, kind: str, seconds: float, stage: str) -> tuple[float, dict[str, Any]]:
        try:
            answer = self._next_reply(seconds)
        except queue.Empty:
            self.close(patience=0.0)
            if self.outcome.get("ended_for") in ("memory", "supervisor", "frozen"):
                raise self._ending(stage, {}) from None
            raise too_slow(self.source.name, stage, seconds, self.output) from None
        if answer is not None and answer[1].get("kind") == kind:
            return answer
        self.close()
        reply = answer[1] if answer else {}
        if reply.get("kind") == "unconfined":
            raise sandbox.refusal(f"it worked a moment ago, and now {reply.get('reason')}.")
        raise self._ending(stage, reply)

    def _yardstick(self) -> float:
        """Returns how fast the processor is; NaN where the process was at work meanwhile, and may have made it slow."""
        before = self._meter.seconds()
        seconds = yardstick.seconds()
        return seconds if self._meter.seconds() - before < _AT_REST * seconds else math.nan

    def _next_reply(self, seconds: float) -> tuple[float, dict[str, Any]] | None:
        """Waits for a reply while the process has worked for fewer seconds; one that sleeps has the clock's seconds.

        On a busy machine a process gets a share of a processor, and its work takes as many times longer.

        Raises:
            queue.Empty: there is none, or nobody watches the process any more.
        """
        start, before, waited = time.monotonic(), self._meter.seconds(), 0.0
        while True:
            with contextlib.suppress(queue.Empty):
                return self._replies.next(min(_LOOK_SECONDS, max(seconds - waited, 0.0) or _LOOK_SECONDS))
            if is_stopped(self._process.pid):
                self._process.kill()
                raise queue.Empty
            waited, worked = time.monotonic() - start, self._meter.seconds() - before
            is_working = _LEAST_SHARE * waited <= worked < seconds and waited < _LONGEST_WAIT * seconds
            if waited >= seconds and not is_working:
                raise queue.Empty

    def _ending(self, stage: str, reply: Mapping[str, Any]) -> BrokenSubmission:
        ended = reply if reply.get("kind") == "ended" else {}
        return explain(
            self.source,
            limit_bytes=self.limits.memory_bytes,
            stage=stage,
            reply={} if ended else reply,
            outcome={**self.outcome, **ended},
            disturbed=self._replies.disturbed,
            output=self.output,
        )

    def _read_weights(self) -> tuple[np.ndarray, ...]:
        try:
            return read_strangers_file(self._folder / "work" / ".weights.npz", self._expected)
        except (OSError, ValueError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            check = error.check if isinstance(error, RefusedWeightsError) else "weights"
            raise refusal(self.source.name, reason or type(error).__name__, check, self._expected) from error

    @property
    def output(self) -> str:
        """What the submission printed: the beginning and the end of it."""
        return self._output.text() if hasattr(self, "_output") else ""

    @property
    def output_bytes(self) -> int:
        """How much the submission printed in all."""
        return self._output.so_far() if hasattr(self, "_output") else 0

    def close(self, *, patience: float = 2.0) -> None:
        """Ends the process and all that it started, and removes its folder; harmless when done twice.

        Args:
            patience: how many seconds it has to end by itself, as one that waits for the next seed does.
        """
        process = getattr(self, "_process", None)
        if process is not None and not self.outcome:
            with contextlib.suppress(OSError):
                process.stdin.close()
            self.outcome = self._end(process, patience)
            self._output.finish()
            self._meter.close()
            self._cores.close()
        scratch = getattr(self, "_scratch", None)
        if scratch is not None:
            scratch.close()

    def _end(self, process: subprocess.Popen[bytes], patience: float) -> dict[str, Any]:
        pushes = ((patience, process.terminate), (_GRACE_SECONDS + 12, process.kill), (5.0, lambda: None))
        for seconds, push in pushes:
            try:
                process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                push()
        try:
            outcome: dict[str, Any] = json.loads((self._folder / "outcome.json").read_text())
        except (OSError, ValueError):
            outcome = {"exit_code": process.returncode, "ended_for": "supervisor", "peak_memory": 0, "outlived": 0}
            self._kill_strays()
        return outcome

    def _kill_strays(self) -> None:
        """Kills what a killed supervisor left behind, found by the mark in its environment."""
        for candidate in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if candidate.environ().get(_TOKEN) == self._token:
                    candidate.kill()
