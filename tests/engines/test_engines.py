"""Every engine gives the same results, loses none when workers, nodes or the driver die, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import signals

from kit import engines
from kit.engines import Engine
from kit.engines import processes as worker_processes
from kit.engines import ray as ray_cluster
from kit.types import BrokenSubmission, FailedRun

ROOT = Path(__file__).resolve().parents[2]


class Payload:
    """Keeps a diary in a folder: one line for each time that it is unpickled or closed."""

    def __init__(self, folder: Path, size: int = 0) -> None:
        self.folder, self.filling = folder, bytes(size)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.write("unpickled")

    def write(self, event: str) -> None:
        with open(self.folder / f"{event}-{os.getpid()}", "a") as stream:
            stream.write(f"{event}\n")

    def close(self) -> None:
        self.write("closed")


def diary(folder: Path, event: str) -> dict[int, int]:
    """Returns how often something happened, by process."""
    return {int(path.name.split("-")[1]): len(path.read_text().split()) for path in folder.glob(f"{event}-*")}


def square(payload: object, task: int) -> int:
    return task * task


def slow_square(payload: object, task: int) -> tuple[int, int]:
    time.sleep(0.2)
    return task * task, os.getpid()


def who(payload: Payload, task: int) -> tuple[int, int]:
    time.sleep(0.02)
    return os.getpid(), id(payload)


def environment(payload: object, task: int) -> dict[str, str]:
    return dict(os.environ)


def fail(payload: Exception, task: int) -> None:
    if task == 3:
        raise payload


def stay_on_a_node(doomed: tuple[Path, str], task: int) -> tuple[int, str]:
    """Is quick, but on the doomed node the first time only: what it does next lasts for as long as the node."""
    import ray

    folder, node = doomed
    with open(folder / str(task), "a") as stream:
        stream.write("started\n")
    here = ray.get_runtime_context().get_node_id()
    if here == node and (folder / "used").exists():
        (folder / "used again").touch()
        time.sleep(300)
    if here == node:
        (folder / "used").touch()
    if not (folder / "used again").exists():  # until then there must be tasks left
        time.sleep(0.05)
    return task * task, here


class Unpicklable(RuntimeError):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def fail_oddly(payload: object, task: int) -> None:
    raise Unpicklable(1, 2)


def give_a_function(payload: object, task: int) -> Any:
    return contextlib.nullcontext, (item for item in range(3))  # a generator cannot be pickled


def die_once(folder: Path, task: int) -> int:
    marker = folder / f"died-{task}"
    if task in {1, 5} and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return task * task


def die_always(payload: object, task: int) -> int:
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def hang(folder: Path, task: int) -> int:
    """Hangs with a child, and will not be ended by a signal: a stranger's function can do both."""
    if task:
        child = subprocess.Popen(["sleep", "300"])
        for pid in (child.pid, os.getpid()):
            (folder / f"hangs-{pid}").touch()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while task:
        with contextlib.suppress(BaseException):
            time.sleep(300)
    return task


def hanging(folder: Path) -> list[int]:
    return [int(path.name.split("-")[1]) for path in folder.glob("hangs-*")]


def loky_workers() -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if "popen_loky" in str(process.cmdline())]


def alive(pids: Iterable[int]) -> list[int]:
    """Returns those that still run; in a container without an init process, the others stay there as zombies."""
    running = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                running.append(pid)
    return running


def eventually(condition: Callable[[], bool], seconds: float = 120.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture(scope="module")
def processes() -> Iterator[Engine]:
    with engines.start("processes", workers=2) as engine:
        yield engine
    assert loky_workers() == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and a node of one CPU each, to which the driver is connected."""
    with pytest.MonkeyPatch.context() as patch:
        # Where the nodes find the functions of this module, and what it imports.
        patch.setenv("PYTHONPATH", os.pathsep.join(str(Path(__file__).parents[up]) for up in (0, 1)))
        ray_cluster._import_ray()
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        cluster.add_node(num_cpus=1)
        ray.init(cluster.address, log_to_driver=False, logging_level="CRITICAL")
        yield cluster
        ray.shutdown()
        cluster.shutdown()


# All but 'stacked', which takes groups of tasks. A cluster takes seconds to start.
ON_RAY = pytest.param("ray", marks=pytest.mark.slow)


@pytest.fixture(params=[ON_RAY if name == "ray" else name for name in engines.NAMES if name != "stacked"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "processes":
        yield request.getfixturevalue("processes")
        return
    if request.param == "ray":
        request.getfixturevalue("cluster")
    with engines.start(request.param) as engine:
        yield engine


def test_results_are_the_same_on_every_engine(engine: Engine) -> None:
    tasks = [*range(20), 1000]
    assert sorted(engine.map(square, None, tasks)) == [(task, task * task) for task in tasks]
    assert list(engine.map(square, None, [])) == []


def test_a_payload_is_shipped_once_and_closed_when_the_next_one_comes(engine: Engine, tmp_path: Path) -> None:
    seen = dict(engine.map(who, Payload(tmp_path, size=1 << 20), range(30)))
    by_process: dict[int, set[int]] = {}
    for process, identity in seen.values():
        by_process.setdefault(process, set()).add(identity)
    assert all(len(identities) == 1 for identities in by_process.values())
    if engine.name == "serial":
        assert set(by_process) == {os.getpid()}
    else:
        assert diary(tmp_path, "unpickled") == dict.fromkeys(by_process, 1)
    if engine.name == "processes":
        assert len(by_process) == 2
    assert diary(tmp_path, "closed") == {}

    def each_has_had_the_next() -> bool:  # on a busy machine one process takes all tasks of a call
        list(engine.map(slow_square, None, range(4)))
        return len(diary(tmp_path, "closed")) == len(by_process)

    assert eventually(each_has_had_the_next)
    assert diary(tmp_path, "closed") == dict.fromkeys(by_process, 1)


def test_the_last_payload_is_closed_with_the_engine(tmp_path: Path) -> None:
    for name in ("serial", "processes"):
        folder = tmp_path / name
        folder.mkdir()
        with engines.start(name, workers=1) as engine:
            process = next(iter(engine.map(who, Payload(folder), [0])))[1][0]
        assert diary(folder, "closed") == {process: 1}


def test_workers_have_one_thread(engine: Engine) -> None:
    ((_, variables),) = engine.map(environment, None, [0])
    if engine.name != "serial":
        assert variables["OMP_NUM_THREADS"] == variables["TF_NUM_INTRAOP_THREADS"] == "1"
        assert variables["TF_CPP_MIN_LOG_LEVEL"] == os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.mark.parametrize("error", [FailedRun("It failed."), BrokenSubmission("returns", "It broke."), KeyError("a")])
def test_exceptions_come_through_as_they_are(engine: Engine, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        list(engine.map(fail, error, range(8)))
    assert caught.type is type(error)
    assert caught.value.args == error.args
    assert getattr(caught.value, "check", None) == getattr(error, "check", None)
    if engine.name != "serial":
        assert "raise payload" in caught.value.__notes__[0]
    assert sorted(engine.map(square, None, range(4)))[-1] == (3, 9)  # the engine is as good as new


def test_exceptions_and_results_that_cannot_travel_are_described(processes: Engine) -> None:
    with pytest.raises(FailedRun, match="Task 0 failed with Unpicklable: 1 and 2"):
        list(processes.map(fail_oddly, None, [0]))
    with pytest.raises(TypeError, match="generator"):
        list(processes.map(give_a_function, None, [0]))


def test_a_broken_submission_survives_pickling() -> None:
    error = BrokenSubmission("returns", "It broke.")
    error.add_note("a note")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.check, str(copy), copy.__notes__) == (BrokenSubmission, "returns", "It broke.", ["a note"])


@pytest.mark.parametrize("engine", ["processes", ON_RAY], indirect=True)
def test_a_lost_worker_loses_no_task(engine: Engine, tmp_path: Path) -> None:
    assert sorted(engine.map(die_once, tmp_path, range(12))) == [(task, task * task) for task in range(12)]
    assert len(list(tmp_path.glob("died-*"))) == 2


@pytest.mark.parametrize("engine", ["processes", ON_RAY], indirect=True)
def test_a_task_that_always_kills_its_worker_fails(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "_RETRIES", 1)
    with pytest.raises(FailedRun, match=r"Task 2 has lost its worker process [23] times .* fewer --workers") as caught:
        list(engine.map(die_always, None, range(8)))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_workers_that_die_idle_are_replaced_and_no_task_is_blamed() -> None:
    with engines.start("processes", workers=3) as engine:
        dead = {pid for _, (_, pid) in engine.map(slow_square, None, range(3))}
        assert len(dead) == 3
        for pid in dead:
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not alive(dead))
        ((_, (result, pid)),) = engine.map(slow_square, None, [3])
    assert result == 9
    assert pid not in dead


def test_workers_are_reused_and_the_payload_file_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with engines.start("processes", workers=2) as engine:
        before = {pid for _, (_, pid) in engine.map(slow_square, None, range(4))}
        assert {pid for _, (_, pid) in engine.map(slow_square, None, range(4))} == before
        assert list(tmp_path.glob("kit-engine-*/*")) == []
    assert list(tmp_path.iterdir()) == []


def test_an_abandoned_iterator_ends_what_runs_and_what_that_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_processes, "_GRACE_SECONDS", 0.3)
    before = loky_workers()
    with engines.start("processes", workers=2) as engine:
        with contextlib.closing(engine.map(hang, tmp_path, [0, 1, 2, 3])) as iterator:
            assert next(iterator) == (0, 0)
            assert eventually(lambda: len(hanging(tmp_path)) == 4)
        assert eventually(lambda: not alive(hanging(tmp_path)))  # they would sleep for minutes
        assert sorted(engine.map(square, None, range(3))) == [(0, 0), (1, 1), (2, 4)]
        iterator = engine.map(hang, tmp_path, [0, 1, 2])
        next(iterator)
        engine.close()  # with the iterator still open
        assert loky_workers() == before
        iterator.close()
    assert not alive(hanging(tmp_path))


@contextlib.contextmanager
def run_script(folder: Path, text: str) -> Iterator[subprocess.Popen[str]]:
    """Starts a script in a process group of its own; its temporary files go to `folder`."""
    path = folder / "script.py"
    path.write_text(text)
    variables = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder),
        "RAY_TMPDIR": "/tmp",
    }  # sockets: short names
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with signals.children_take_interrupts():
        started = subprocess.Popen(
            [sys.executable, str(path)], text=True, env=variables, start_new_session=True, **pipes
        )
    with started as script:
        try:
            yield script
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(script.pid, signal.SIGKILL)


ENDLESS = """
import os, sys, time
from kit import engines

def work(payload, task):
    while task:
        sum(range(1000))
    return os.getpid()

print("starting", flush=True)
with engines.start("processes", workers=2) as engine:
    for task, pid in engine.map(work, None, [0, 1, 2]):
        import psutil
        print(*(child.pid for child in psutil.Process().children()), flush=True)
"""


@pytest.mark.slow
def test_workers_die_when_the_driver_is_killed(tmp_path: Path) -> None:
    with run_script(tmp_path, ENDLESS) as script:
        assert script.stdout is not None
        assert script.stdout.readline() == "starting\n"
        pids = [int(pid) for pid in script.stdout.readline().split()]
        assert len(pids) >= 2
        script.kill()
        script.wait()
        assert eventually(lambda: not alive(pids))
    assert list(tmp_path.glob("kit-engine-*")) == []


def test_an_interrupt_is_the_drivers_business(tmp_path: Path) -> None:
    with run_script(tmp_path, ENDLESS) as script:
        assert script.stdout is not None
        script.stdout.readline()
        pids = [int(pid) for pid in script.stdout.readline().split()]
        os.killpg(script.pid, signal.SIGINT)
        _, errors = script.communicate(timeout=300)
    assert script.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1  # the driver's own, which a command line program would catch
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert eventually(lambda: not alive(pids))
    assert list(tmp_path.glob("kit-engine-*")) == []


def test_workers_ignore_interrupts_from_their_first_moment(tmp_path: Path) -> None:
    with run_script(tmp_path, ENDLESS) as script:
        assert script.stdout is not None
        driver, interrupted = psutil.Process(script.pid), set()
        script.stdout.readline()
        while not select.select([script.stdout], [], [], 0.02)[0]:  # often, but so that the workers get on
            for child in driver.children():
                with contextlib.suppress(psutil.Error):
                    if "popen_loky" in str(child.cmdline()):
                        child.send_signal(signal.SIGINT)
                        interrupted.add(child.pid)
        served = {int(pid) for pid in script.stdout.readline().split()}
        assert len(interrupted) == 2
        assert interrupted <= served  # none of them had to be replaced
        script.kill()
        assert script.stderr is not None
        assert script.stderr.read() == ""


def test_a_script_without_a_main_guard_and_without_close_works(tmp_path: Path) -> None:
    script_of_a_user = run_script(
        tmp_path,
        """
print("top")
import tempfile
folder = tempfile.TemporaryDirectory()  # registers what Python does at its end before multiprocessing can
from kit import engines

class Mine(Exception):
    pass

def work(payload, task):
    if task == 4:
        raise Mine("four")
    return payload + task

engine = engines.start("processes", workers=2)
print(sorted(engine.map(work, 10, range(4))))
try:
    list(engine.map(work, 10, [4]))
except Mine as error:
    print(repr(error))
""",
    )
    with script_of_a_user as script:
        output, errors = script.communicate(timeout=300)
    assert (script.returncode, errors) == (0, "")
    assert output == "top\n[(0, 10), (1, 11), (2, 12), (3, 13)]\nMine('four')\n"
    assert list(tmp_path.glob("kit-engine-*")) == []


@pytest.mark.slow
def test_a_lost_node_loses_no_task(cluster: Any, tmp_path: Path) -> None:
    node, tasks, removed = cluster.add_node(num_cpus=1), range(300), False
    with engines.start("ray") as engine:
        assert eventually(lambda: engine.workers == 3)
        results = {}
        for task, (result, _) in engine.map(stay_on_a_node, (tmp_path, node.node_id), tasks):
            results[task] = result
            if not removed and (tmp_path / "used again").exists():
                cluster.remove_node(node, allow_graceful=False)
                removed = True
    assert removed
    assert results == {task: task * task for task in tasks}
    attempts = [len((tmp_path / str(task)).read_text().split()) for task in tasks]
    assert max(attempts) == 2  # the node was at a task, which another one repeated


@pytest.mark.slow
def test_an_abandoned_iterator_frees_the_cluster(cluster: Any, tmp_path: Path) -> None:
    with engines.start("ray") as engine:
        with contextlib.closing(engine.map(hang, tmp_path, range(8))) as iterator:
            assert next(iterator) == (0, 0)
            assert eventually(lambda: len(hanging(tmp_path)) >= 2)
            sleeping = [pid for pid in alive(hanging(tmp_path)) if psutil.Process(pid).name() == "sleep"]
        assert sorted(engine.map(square, None, range(4)))[-1] == (3, 9)
        workers = [pid for pid in hanging(tmp_path) if pid not in sleeping]
    assert eventually(lambda: alive(workers) == [])


@pytest.mark.slow
def test_ray_that_the_driver_started_is_left_running(cluster: Any) -> None:
    import ray

    engines.start("ray").close()
    assert ray.is_initialized()


@pytest.mark.slow
def test_a_module_that_a_node_does_not_have_is_explained(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def work(payload, task):\n    return task\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]

    with engines.start("ray") as engine, pytest.raises(FailedRun, match=r"No module named 'only_here'.* Expected"):
        list(engine.map(only_here.work, None, [0]))


@pytest.mark.slow
def test_graphics_cards_that_are_not_there_are_refused(cluster: Any, refused: Callable[..., str]) -> None:
    refused(lambda: engines.start("ray", gpus_per_worker=1), "0 graphics cards", "1 CPU and 1 graphics card")


@pytest.mark.slow
def test_a_ray_of_ones_own_is_quiet_and_ends_with_the_engine(tmp_path: Path) -> None:
    script_of_a_user = run_script(
        tmp_path,
        """
import os, signal
from kit import engines

def work(payload, task):
    if task == 1 and not os.path.exists(payload):
        open(payload, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return task * task

with engines.start("ray", workers=2) as engine:
    print(engine.workers, sorted(engine.map(work, __file__ + ".died", range(6))))
""",
    )
    with script_of_a_user as script:
        output, errors = script.communicate(timeout=300)
    assert (script.returncode, errors) == (0, "")
    assert output == "2 [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16), (5, 25)]\n"
    assert eventually(lambda: not [process for process in psutil.process_iter() if _belongs_to(process, script.pid)])


def _belongs_to(process: psutil.Process, session: int) -> bool:
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        return os.getsid(process.pid) == session
    return False


@pytest.mark.slow
def test_another_process_connects_by_address(cluster: Any, tmp_path: Path) -> None:
    text = f"""
from kit import engines

with engines.start("ray", address={cluster.address!r}) as engine:
    print(sorted(engine.map(pow, 2, range(5))))
"""
    with run_script(tmp_path, text) as script:
        output, errors = script.communicate(timeout=300)
    assert (script.returncode, errors, output) == (0, "", "[(0, 1), (1, 2), (2, 4), (3, 8), (4, 16)]\n")


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:9", "ray://127.0.0.1:9"])
def test_an_address_where_no_cluster_is_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    monkeypatch.setattr(ray_cluster, "_CONNECT_SECONDS", 0.2)
    refused(lambda: ray_cluster._require_cluster(address), f"no connection to Ray at '{address}'", "ray start --head")


def test_options_that_an_engine_does_not_have_are_refused(refused: Callable[..., str]) -> None:
    refused(lambda: engines.start("threads"), "'threads'", "serial, processes, ray")
    refused(lambda: engines.start("processes", workers=0), "0 workers")
    refused(lambda: engines.start("serial", workers=2), "2 workers", "'processes'")
    refused(lambda: engines.start("processes", address="auto"), "'auto'", "'ray'")
    refused(lambda: engines.start("serial", gpus_per_worker=0.5), "0.5 graphics cards")
    refused(lambda: engines.start("ray", gpus_per_worker=-1), "-1 graphics cards")


def test_ray_that_is_not_installed_is_explained(monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(lambda: engines.start("ray"), "python -m pip install ray")
