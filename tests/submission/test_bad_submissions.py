"""A corpus of bad submissions: each fails the check that its header names, in bounded time, and leaves nothing behind.

The header of a file in tests/bad_submissions/ says which check reports it, at which level, and a part of the message.
Those that 'need' the sandbox attack what was planted for them; they must be sound otherwise, and steal nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import kit
from kit import files
from kit.contest import validate
from kit.contest.validate import Checked
from kit.runs.worker import Worker
from kit.submission import contained, sandbox
from kit.submission.contained import Contained, Limits
from kit.submission.entry import resolve

FOLDER = Path(__file__).parents[1] / "bad_submissions"
CALL_SECONDS, IMPORT_SECONDS, MEMORY = 6.0, 15.0, 3 << 30
# The longest way: two calls that end at the limit, an import that does, and starting TensorFlow four times.
LONGEST_SECONDS = 600.0
QUICK = {  # without a process, or one of each kind: the rest is marked slow
    "parses", "defines_unlearning", "signature", "forgot_to_return", "raises", "segmentation_fault",
}  # fmt: skip


@dataclass(frozen=True)
class Bad:
    path: Path
    check: str
    level: str
    says: str
    sandboxed: bool


def read(path: Path) -> Bad:
    text = path.read_bytes().decode(errors="replace")
    header = {match[1]: match[2].strip() for match in re.finditer(r"^# (check|level|says|needs): (.*)$", text, re.M)}
    return Bad(path, header["check"], header["level"], header.get("says", ""), header.get("needs") == "sandbox")


CORPUS = [read(path) for path in sorted(FOLDER.glob("*.py"))]
BAD = [one for one in CORPUS if not one.sandboxed]
ATTACKS = [one for one in CORPUS if one.sandboxed]


def marked(corpus: list[Bad]) -> list[object]:
    quick = [bool({one.path.stem, one.check} & QUICK) for one in corpus]
    return [
        pytest.param(one, id=one.path.stem, marks=[] if is_quick else [pytest.mark.slow])
        for one, is_quick in zip(corpus, quick, strict=True)
    ]


def examine(path: Path) -> tuple[list[Checked], float]:
    """Runs in a process of the pool."""
    begin = time.monotonic()
    contained.IMPORT_SECONDS = IMPORT_SECONDS  # in a process of the pool, and half as long as for users
    seconds = 4 * CALL_SECONDS if path.stem.startswith("memory") else CALL_SECONDS  # TensorFlow tries for 10 s
    checked = validate.examine(path, kit.load_challenge("digits"), limits=Limits(seconds, MEMORY))
    return checked, time.monotonic() - begin


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[tuple[list[Checked], float]]]]:
    """Examines the chosen files on all processors at once; a test waits for its own."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    chosen = [item.callspec.params["bad"].path for item in request.session.items if "verdicts" in item.fixturenames]  # type: ignore[attr-defined]
    workers, context = os.cpu_count() or 1, multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield {path: pool.submit(examine, path) for path in chosen}
    del os.environ["TF_CPP_MIN_LOG_LEVEL"]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_lost_left_running_or_escaped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    temporary = tmp_path_factory.mktemp("temporary")  # by which the processes of these tests are told from others

    def state() -> dict[Path, str]:
        watched = (files.data_folder(), Path(kit.__file__).parent, FOLDER)
        paths = [path for folder in watched for path in folder.rglob("*") if "__pycache__" not in path.parts]
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}

    before = state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        patch.setenv("TMPDIR", str(temporary))
        yield
    assert state() == before
    assert not list(temporary.glob("kit-contained-*"))
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME", "").startswith(str(temporary)):
                left.append(process.cmdline())
        except (psutil.Error, OSError):
            continue
    assert left == []


@pytest.mark.parametrize("bad", marked(BAD))
def test_a_bad_submission_fails_the_check_that_names_its_fault(
    bad: Bad, verdicts: dict[Path, Future[tuple[list[Checked], float]]]
) -> None:
    checked, seconds = verdicts[bad.path].result()
    assert [one.name for one in checked] == list(validate.CHECKS)
    found = {one.name: one for one in checked}
    assert (found[bad.check].status, found[bad.check].name) == (bad.level, bad.check), [
        one for one in checked if one.status in ("WARN", "FAIL")
    ]
    message = found[bad.check].message
    assert bad.says in message
    assert "Expected" in message
    assert message.isprintable()
    assert "crashed" not in message
    assert seconds < LONGEST_SECONDS


def test_every_kind_of_fault_is_in_the_corpus() -> None:
    assert len(CORPUS) >= 40
    assert {bad.check for bad in BAD} == set(validate.CHECKS)
    assert {bad.level for bad in BAD} == {"WARN", "FAIL"}


# Attacks under bubblewrap

SECRET = "-".join(["kit", "planted", "secret", "7f3a"])
PORT = 23613  # below those that systems give to outgoing connections, Ray's for instance


def serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.sendall(SECRET.encode())


@pytest.fixture
def planted() -> Iterator[subprocess.Popen[bytes]]:
    """Plants what attacks look for: files, sockets, a variable, a text in memory, and a process to kill."""
    homes = {Path.home() / "kit-planted", Path("/tmp/kit-planted")}
    for folder in homes:
        folder.mkdir(exist_ok=True)
        (folder / "secret.txt").write_text(SECRET)
    (Path("/dev/shm") / "kit-planted").write_text(SECRET)
    Path("/tmp/kit-planted/socket").unlink(missing_ok=True)
    os.environ["KIT_PLANTED_SECRET"] = SECRET
    with contextlib.ExitStack() as serving:
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", PORT)),
            (socket.AF_UNIX, "/tmp/kit-planted/socket"),
            (socket.AF_UNIX, "\0kit-planted"),
        ):
            serving.enter_context(served(family, address))
        allow_tracing()
        victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", "kit-planted-victim"])
        yield victim
        victim.kill()
        victim.wait()
    for folder in homes:
        shutil.rmtree(folder, ignore_errors=True)
    (Path("/dev/shm") / "kit-planted").unlink(missing_ok=True)
    del os.environ["KIT_PLANTED_SECRET"]


@contextlib.contextmanager
def served(family: socket.AddressFamily, address: Any) -> Iterator[None]:
    """Gives the secret to whoever connects; afterwards the address is free again at once."""
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
        server.listen()
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)  # wakes the thread, which holds the socket while it waits for a connection
        thread.join()


def allow_tracing() -> None:
    """Lets other processes read this one's memory, as far as the kernel asks us: an attack should have a chance."""
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)


def stolen(bad: Bad, worker: Worker, sandboxed: bool) -> list[str]:
    entry = resolve(bad.path)
    with Contained(entry.as_source(), worker.inputs(entry), Limits(60.0, MEMORY), sandboxed=sandboxed) as process:
        process.run(0)
    return [line for line in process.output.splitlines() if "STOLEN" in line]


@pytest.fixture(scope="module")
def worker(small_challenge: kit.Challenge) -> Worker:
    return Worker(kit.load_challenge("digits"))


@pytest.mark.slow
@pytest.mark.parametrize("bad", ATTACKS, ids=lambda bad: bad.path.stem)
def test_an_attack_gets_nothing_in_the_sandbox(bad: Bad, worker: Worker, planted: subprocess.Popen[bytes]) -> None:
    assert sandbox.sandbox_problem() == "", "these tests need bubblewrap, and must not be skipped"
    assert stolen(bad, worker, sandboxed=True) == []
    assert planted.poll() is None
    assert (Path.home() / "kit-planted" / "secret.txt").read_text() == SECRET
    for folder in ("/usr", "/usr/bin", "/usr/lib", "/etc", "/bin", "/opt", sys.prefix):
        assert not list(Path(folder).glob("kit-planted*"))


# Harmless without the sandbox: they read what was planted, or destroy nothing else.
CONTROLS = {
    "steals_parent_memory", "steals_environment", "connects_to_this_machine", "connects_to_socket_file",
    "connects_to_abstract_socket", "reads_home", "reads_through_proc", "reads_temporary_files", "kills_parents",
    "deletes_home",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bad", [bad for bad in ATTACKS if bad.path.stem in CONTROLS], ids=lambda bad: bad.path.stem)
def test_the_same_attack_succeeds_without_the_sandbox(bad: Bad, worker: Worker, planted: object) -> None:
    """The control: what the test above shows, it shows because of the sandbox."""
    assert stolen(bad, worker, sandboxed=False) != []
