"""Nothing of a run is left for the next one, and what a run takes or leaves is bounded, billed, ended and named.

All runs of a kind are made from one contained process, whose seed says what the submission does.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import guests
import numpy as np
import psutil
import pytest

from kit.runs.worker import Worker
from kit.submission import sandbox
from kit.submission.answers import Returned
from kit.submission.contained import Contained, Limits
from kit.submission.entry import Entry
from kit.submission.memory import Memory
from kit.submission.source import Source
from kit.types import BrokenSubmission, Challenge

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux only")

# Each leaves something and looks for it; a system call that is not there is as good as nothing found.
TRACES = """
import ctypes, glob, os, resource, socket, subprocess, tempfile, threading
import keras
import numpy as np

libc = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"

def file_in(folder):
    path = os.path.join(folder, "kit-trace")
    return lambda: open(path, "w").close(), lambda: os.path.exists(path)

def system_call(make, look):
    def leave():
        if libc.syscall(*make) < 0:
            raise OSError(ctypes.get_errno(), "denied")
    return leave, lambda: libc.syscall(*look) >= 0

def hold_socket():
    code = "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind(chr(0) + 'kit-trace'); s.listen()"
    code += "; print(flush=True); time.sleep(600)"
    daemon = subprocess.Popen([os.sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    daemon.stdout.readline()

def socket_is_held():
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(chr(0) + "kit-trace") == 0

def umask_is_changed():
    now = os.umask(0o7)
    os.umask(now)
    return now == 0o7

def set_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")

NUMBER = 4711
TRACES = {
    "module": (lambda: setattr(keras, "kit_trace", 1), lambda: hasattr(keras, "kit_trace")),
    "policy": (set_policy, lambda: keras.config.dtype_policy().name != "float32"),
    "environment": (lambda: os.environ.update(KIT_TRACE="1"), lambda: "KIT_TRACE" in os.environ),
    "umask": (lambda: os.umask(0o7), umask_is_changed),
    "niceness": (lambda: os.nice(1), lambda: os.nice(0) > 0),
    "limit": (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99)),
              lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 99),
    "thread": (lambda: threading.Thread(target=threading.Event().wait, name="kit-trace", daemon=True).start(),
               lambda: any(thread.name == "kit-trace" for thread in threading.enumerate())),
    "working folder": file_in("."),
    "home": file_in(os.environ["HOME"]),
    "temporary": file_in(tempfile.gettempdir()),
    "socket": (hold_socket, socket_is_held),
    "shared memory": system_call((29 if X86 else 194, NUMBER, 4096, 0o1600), (29 if X86 else 194, NUMBER, 4096, 0)),
    "semaphore": system_call((64 if X86 else 190, NUMBER, 1, 0o1600), (64 if X86 else 190, NUMBER, 1, 0)),
    "messages": system_call((68 if X86 else 186, NUMBER, 0o1600), (68 if X86 else 186, NUMBER, 0)),
    "key": system_call((248 if X86 else 217, b"user", b"kit-trace", b"1", 1, -3),
                       (249 if X86 else 218, b"user", b"kit-trace", None, 0)),
}
SANDBOXED = {"/tmp": file_in("/tmp"), "/dev/shm": file_in("/dev/shm")}
ALL = TRACES | SANDBOXED

def unlearning(net, retain, forget, validation):
    leave, look = list(ALL.values())[np.random.get_state()[1][0]]
    traces = look()
    try:
        leave()
        left = look()
    except OSError:
        left = "denied"
    print(f"FOUND {traces} LEFT {left} PROCESS {os.getpid()}.", flush=True)
    net.set_weights([array + np.random.normal(0, 0.01, array.shape) for array in net.get_weights()])
    return net
"""
NAMES = re.findall(r'^    "([a-z ]+)": ', TRACES, re.MULTILINE)
OF_THE_SANDBOX = ["/tmp", "/dev/shm"]
DENIED = {"shared memory", "semaphore", "messages", "key"}


@pytest.fixture(scope="module")
def worker(small_challenge: Challenge) -> Worker:
    return Worker(small_challenge)


@pytest.fixture(scope="module", autouse=True)
def forked() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        guests.fork_them(patch)
        yield


def contained(worker: Worker, text: str, *, sandboxed: bool = False, seconds: float = 60.0) -> Contained:
    source = Source("mine", "mine.py", {"mine.py": text.encode()})
    return Contained(source, worker.inputs(Entry("mine")), Limits(seconds=seconds), sandboxed=sandboxed)


def said_after(process: Contained, run: Callable[[], object], pattern: str) -> str:
    """Returns what a run prints that matches a pattern; it comes through another pipe than the answer."""
    before = len(process.output)
    run()
    deadline = time.monotonic() + 30
    while (match := re.search(pattern, process.output[before:])) is None:
        assert time.monotonic() < deadline, process.output
        time.sleep(0.01)
    return match[0]


@pytest.fixture(
    scope="module",
    params=[pytest.param(False, id="contained", marks=pytest.mark.slow), pytest.param(True, id="sandboxed")],
)
def tracer(worker: Worker, request: pytest.FixtureRequest) -> Iterator[Contained]:
    with contained(worker, TRACES, sandboxed=request.param) as process:
        yield process


@pytest.mark.parametrize("name", [*NAMES, *OF_THE_SANDBOX])
def test_what_a_run_leaves_the_next_one_does_not_find(name: str, tracer: Contained) -> None:
    if name in OF_THE_SANDBOX and not tracer.sandboxed:
        pytest.skip("without the sandbox, these folders are everybody's")
    number = [*NAMES, *OF_THE_SANDBOX].index(name)
    first, second = (said_after(tracer, lambda: tracer.run(number), r"FOUND .*\.") for _ in range(2))
    left = "denied" if name in DENIED else "True"
    assert f"FOUND False LEFT {left}" in first  # it leaves it, as far as it can: the test could fail
    assert f"FOUND False LEFT {left}" in second
    if tracer.sandboxed:  # no number of a process tells how many there were before
        assert first.split("PROCESS")[1] == second.split("PROCESS")[1]


REWRITES = {
    "its own text": """text = open(__file__).read().replace("FIRST", "SECOND")
    open(__file__, "w").write(text)""",
    "its own text, which it replaces": """text = open(__file__).read().replace("FIRST", "SECOND")
    open(__file__ + ".new", "w").write(text)
    os.utime(__file__ + ".new", ns=(os.stat(__file__).st_atime_ns, os.stat(__file__).st_mtime_ns))
    os.replace(__file__ + ".new", __file__)""",
    "a module that it looks for": """open(os.path.join(os.path.dirname(__file__), "memory.py"), "w").close()""",
    "the folder": """shutil.rmtree(os.path.dirname(__file__))""",
    "the folder, for a link": """folder = os.path.dirname(__file__)
    shutil.move(folder, os.path.join(os.environ["HOME"], "moved"))
    os.symlink("/", folder)""",
}


@pytest.mark.parametrize("what", REWRITES)
def test_what_a_run_writes_over_is_there_again_for_the_next_one(what: str, worker: Worker) -> None:
    """Without the sandbox, in which nothing of it can be written to: the second run was another program."""
    text = f"""
import os, shutil
import numpy as np

SAID = "FIRST" if not os.path.exists(os.path.join(os.path.dirname(__file__), "memory.py")) else "SEC" + "OND"

def unlearning(net, retain, forget, validation):
    print("RUN", SAID + ".", flush=True)
    {REWRITES[what]}
    net.set_weights([array + np.random.normal(0, 0.01, array.shape) for array in net.get_weights()])
    return net
"""
    with contained(worker, text) as process:
        for number in range(2):
            assert said_after(process, lambda number=number: process.run(number), r"RUN .*\.") == "RUN FIRST."


def test_a_run_is_forked_from_a_process_of_one_thread(tracer: Contained, tmp_path: Path) -> None:
    tracer.run(0)
    (zygote,) = psutil.Process(tracer._process.pid).children()
    assert zygote.num_threads() == 1


# What a run leaves running, and takes

SOUND = """
import os, signal, subprocess, sys, time
import numpy as np

def unlearning(net, retain, forget, validation):
    {}
    net.set_weights([array + np.random.normal(0, 0.01, array.shape) for array in net.get_weights()])
    return net
"""
BURN = "import os, time; os.setsid(); end = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"
BURN += "print(flush=True); time.sleep(600)"
DAEMON = f"""daemon = subprocess.Popen([sys.executable, "-S", "-c", {BURN!r}], stdout=subprocess.PIPE)
    daemon.stdout.readline()"""
NOTHING = "pass"


@pytest.mark.parametrize("sandboxed", [False, True], ids=["contained", "sandboxed"])
def test_a_daemon_in_a_new_session_is_counted_billed_and_gone(worker: Worker, sandboxed: bool) -> None:
    with contained(worker, SOUND.format(DAEMON), sandboxed=sandboxed) as process:
        returned: list[Returned] = []
        returned.append(process.run(0))
        left = [child.name() for child in psutil.Process(process._process.pid).children(recursive=True)]
    assert returned[0].outlived == 1
    assert returned[0].cost.cpu_seconds > 0.8 * 0.5  # what handing over costs is taken out, as it was measured
    assert len(left) == 1, left  # what runs are forked from


def test_without_a_daemon_nothing_outlives(worker: Worker) -> None:
    with contained(worker, SOUND.format(NOTHING)) as process:
        assert process.run(0).outlived == 0


@pytest.mark.parametrize("whose", ["os.getppid()", "int(open('/proc/%d/stat' % os.getppid()).read().split()[3])"])
def test_whoever_stops_what_watches_it_is_ended_and_named(worker: Worker, whose: str, tmp_path: Path) -> None:
    """First what it was forked from, then the supervisor."""
    stops = SOUND.format(f"os.kill({whose}, signal.SIGSTOP)\n    time.sleep(600)")
    process, before = contained(worker, stops), set(guests.still_running(tmp_path))
    with pytest.raises(BrokenSubmission, match="killed or stopped the process that watches it") as caught, process:
        process.run(0)
    assert caught.value.check == "runs"
    left = [other for other in guests.still_running(tmp_path) if other not in before]
    assert not psutil.wait_procs(left, timeout=30)[1]


def test_a_signal_to_its_own_group_reaches_nobody_else(worker: Worker) -> None:
    stops = SOUND.format("os.kill(0, signal.SIGSTOP)")
    with (
        pytest.raises(BrokenSubmission, match="took more than 1 s"),
        contained(worker, stops, sandboxed=True, seconds=1) as process,
    ):
        process.run(0)


EATS = {
    "memory without a file": ("os.memfd_create('x')", "memfd", False),
    "descriptors": ("kept = [open(os.devnull) for _ in range(100_000)]", "Too many open files", False),
    "/dev/shm": ("open('/dev/shm/x', 'wb').write(bytes(2 << 20))", "No space left on device", True),
    "/tmp": ("open('/tmp/x', 'wb').write(bytes(2 << 20))", "No space left on device", True),
}


@pytest.mark.parametrize("name", EATS)
def test_what_has_no_end_elsewhere_has_one_here(name: str, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    statement, reason, sandboxed = EATS[name]
    monkeypatch.setattr(sandbox, "MEMORY_FOLDER_BYTES", 1 << 20)
    reason = "Function not implemented" if reason == "memfd" else reason
    process = contained(worker, SOUND.format(statement), sandboxed=sandboxed)
    with pytest.raises(BrokenSubmission, match=rf"'mine' failed at mine.py, line 6 with OSError: .*{reason}"), process:
        process.run(0)


@pytest.mark.parametrize("keep_open", [True, False])
def test_files_that_lie_in_memory_are_counted_and_removed(keep_open: bool) -> None:
    memory, this = Memory(), [psutil.Process()]
    file = tempfile.NamedTemporaryFile(dir="/dev/shm", delete=False)  # noqa: SIM115 (closed below, or not)
    file.write(bytes(1))
    file.flush()
    before = memory.in_use(this)
    file.write(np.random.default_rng(0).bytes(64 << 20))
    file.flush()
    if not keep_open:
        file.close()
    grown = memory.in_use(this) - before
    assert grown > 48 << 20  # the process itself may give some of its memory back
    memory.remove_files()
    assert not os.path.exists(file.name)
    file.close()
