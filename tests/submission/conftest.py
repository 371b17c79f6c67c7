"""How a bad submission is examined, in bounded time and leaving nothing behind."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import guests
import pytest
from bad_corpus import FOLDER, Bad
from retrainings import taking

import kit
from kit.contest import validate
from kit.runs import timing
from kit.runs.worker import Worker
from kit.storage import files
from kit.submission import contained
from kit.submission.contained import Limits

CALL_SECONDS, IMPORT_SECONDS = 30.0, 15.0
MEMORY, LITTLE_MEMORY = 3 << 30, 1 << 30  # to fill it takes seconds
TENSORFLOW_TRIES_SECONDS = 10.0  # for memory that it does not get
REFERENCE_SECONDS = 1.5  # to be far over the budget takes 0.6 of it: what a call takes that hides its work, or more
NO_BUDGET_SECONDS = 1_000.0  # a call over the budget is measured twice more, on a busy machine most are
LONGEST_SECONDS = 600.0  # for one that hangs, on any machine


@pytest.fixture(scope="module")
def fails_as_it_says(nothing_is_lost_left_running_or_escaped: Path) -> Iterator[Callable[[Bad], None]]:
    """Examines a file as `kit validate` does, and checks what is said of it against its header.

    One worker computes the logits of all that comes back.
    """
    challenge = kit.load_challenge("digits")
    worker = Worker(challenge)

    def check(bad: Bad) -> None:
        for_ever = "took more than" in bad.says  # will not end by itself, however long the limit
        seconds = 2.0 if for_ever else CALL_SECONDS
        seconds += 2 * TENSORFLOW_TRIES_SECONDS if bad.check == "memory" else 0.0
        patch.setattr(contained, "IMPORT_SECONDS", 2.0 if for_ever else IMPORT_SECONDS)
        retraining = taking(REFERENCE_SECONDS if bad.check == "time_budget" else NO_BUDGET_SECONDS)
        patch.setattr(timing, "reference", lambda challenge, **_: retraining)
        begin = time.monotonic()
        memory = LITTLE_MEMORY if bad.check == "memory" else MEMORY
        checked = validate.examine(bad.path, challenge, limits=Limits(seconds, memory))
        assert time.monotonic() - begin < LONGEST_SECONDS
        assert [outcome.name for outcome in checked] == list(validate.CHECKS)
        outcomes = {outcome.name: outcome for outcome in checked}
        problems = [outcome for outcome in checked if outcome.status in ("WARN", "FAIL")]
        assert outcomes[bad.check].status == bad.level, problems
        message = outcomes[bad.check].message
        assert bad.says in message
        assert "Expected" in message
        assert message.isprintable()
        assert "crashed" not in message

    with pytest.MonkeyPatch.context() as patch:
        guests.fork_them(patch)
        patch.setattr(validate, "Worker", lambda _: worker)
        yield check


@pytest.fixture(scope="module")
def nothing_is_lost_left_running_or_escaped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    temporary = tmp_path_factory.mktemp("temporary")  # by which the processes of these tests are told from others

    def state() -> dict[Path, str]:
        watched = (files.data_folder(), Path(kit.__file__).parent, FOLDER)
        paths = [path for folder in watched for path in folder.rglob("*") if "__pycache__" not in path.parts]
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}

    before = state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        patch.setenv("TMPDIR", str(temporary))
        yield temporary
    assert state() == before
    assert not list(temporary.glob("kit-contained-*"))
    assert [process.cmdline() for process in guests.still_running(temporary)] == []
