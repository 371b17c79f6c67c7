"""Attacks on the sandbox, files of tests/bad_submissions/, which get nothing there of what was planted for them.

All of them are made from one contained process, and the seed of a run says which: starting one takes five seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_corpus import ATTACKS, Bad

import kit
from kit.runs.worker import Worker
from kit.submission import sandbox
from kit.submission.contained import Contained, Limits
from kit.submission.entry import Entry
from kit.submission.source import Source
from kit.types import Challenge

pytestmark = pytest.mark.slow

TEMPLATE = Path(kit.__file__).parent / "submission" / "template.py"
FILES = [*(attack.path for attack in ATTACKS), TEMPLATE]
NAMES = [path.stem for path in FILES]
ALL_OF_THEM = f"""
import os
import numpy as np
import {", ".join(NAMES)}

FILES = [{", ".join(NAMES)}]

def unlearning(net, retain, forget, validation):
    file = FILES[np.random.get_state()[1][0]]  # the seed of the run
    if os.path.lexists(".weights.npz"):  # of the run before: an attack finds what a first run finds
        os.unlink(".weights.npz")
    net = file.unlearning(net, retain, forget, validation)
    print("DONE", file.__name__, flush=True)
    return net
"""
MEMORY = 3 << 30
HOME = Path(f"~{getpass.getuser()}").expanduser()  # where attacks look, whatever $HOME is
SECRET = "-".join(["kit", "planted", "secret", "7f3a"])
PORT = 23613  # below those that systems give to outgoing connections, Ray's for instance
# Harmless without the sandbox: they read what was planted, or destroy nothing else.
CONTROLS = {
    "steals_parent_memory", "steals_environment", "connects_to_this_machine", "connects_to_socket_file",
    "connects_to_abstract_socket", "reads_home", "reads_through_proc", "reads_temporary_files", "kills_parents",
    "deletes_home", "reads_data_sets",
}  # fmt: skip


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
    homes = {HOME / "kit-planted", Path("/tmp/kit-planted")}
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


class Attacker:
    """A contained process that attacks when it is told to."""

    def __init__(self, worker: Worker, *, sandboxed: bool) -> None:
        files = {"attacks.py": ALL_OF_THEM.encode(), **{path.name: path.read_bytes() for path in FILES}}
        source, inputs = Source("attacks", "attacks.py", files), worker.inputs(Entry("attacks"))
        self.process = Contained(source, inputs, Limits(60.0, MEMORY), sandboxed=sandboxed)
        self.heard = 0

    def stolen(self, attack: Bad) -> list[str]:
        """Returns what one attack, which must be sound otherwise, says that it has got."""
        self.process.run(NAMES.index(attack.path.stem))
        deadline = time.monotonic() + 60
        while f"DONE {attack.path.stem}" not in (output := self.process.output[self.heard :]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.heard += len(output)
        return [line for line in output.splitlines() if "STOLEN" in line]


@pytest.fixture(scope="module")
def worker(small_challenge: Challenge) -> Worker:
    return Worker(small_challenge)


@pytest.fixture(scope="module")
def sandboxed(worker: Worker) -> Iterator[Attacker]:
    assert sandbox.sandbox_problem() == "", "these tests need bubblewrap, and must not be skipped"
    attacker = Attacker(worker, sandboxed=True)
    with attacker.process:
        yield attacker


@pytest.fixture(scope="module")
def free(worker: Worker) -> Iterator[Attacker]:
    attacker = Attacker(worker, sandboxed=False)
    with attacker.process:
        yield attacker


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.path.stem)
def test_an_attack_gets_nothing_in_the_sandbox(
    attack: Bad, planted: subprocess.Popen[bytes], sandboxed: Attacker
) -> None:
    assert sandboxed.stolen(attack) == []
    assert planted.poll() is None
    for folder in (HOME, Path("/tmp")):
        assert (folder / "kit-planted" / "secret.txt").read_text() == SECRET
    for folder in ("/usr", "/usr/bin", "/usr/lib", "/etc", "/bin", "/opt", sys.prefix):
        assert not list(Path(folder).glob("kit-planted*"))


@pytest.mark.parametrize(
    "attack", [attack for attack in ATTACKS if attack.path.stem in CONTROLS], ids=lambda attack: attack.path.stem
)
def test_the_same_attack_succeeds_without_the_sandbox(attack: Bad, planted: object, free: Attacker) -> None:
    """The control: what the test above shows, it shows because of the sandbox."""
    assert free.stolen(attack) != []


def test_training_in_the_sandbox_has_the_bits_of_training_here(sandboxed: Attacker, worker: Worker) -> None:
    """After attacks too, which share its process: none of them has harmed that."""
    seed = FILES.index(TEMPLATE)
    here = kit.unlearn(kit.load_method(TEMPLATE), worker.challenge, seed=seed, worker=worker).net.get_weights()
    for mine, theirs in zip(here, sandboxed.process.run(seed).weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
