"""The clock of contained runs: whatever a submission does, wherever it hides it, is billed, and to one processor."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import guests
import numpy as np
import pytest

from kit.machine.cores import Cores
from kit.rules import MOST_TRACES
from kit.runs.worker import Worker
from kit.storage import files
from kit.submission.contained import Contained, Limits
from kit.submission.entry import Entry
from kit.submission.source import read_source
from kit.types import Challenge, Retraining

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="contained runs of these tests are forked")

LEAST_SECONDS = 1.0  # of hidden work in two runs; the runs themselves take half of that
BEGINNING = """
import os, signal, struct, sys, threading, time
import keras
import numpy as np
import tensorflow as tf

def note(seconds):
    file = os.open({ledger!r}, os.O_WRONLY | os.O_APPEND)
    os.write(file, struct.pack("d", seconds))
    os.close(file)

def work(seconds=0.5, what=lambda: sum(range(1000))):
    start = noted = time.thread_time()
    while time.thread_time() < start + seconds:
        what()
        if (now := time.thread_time()) > noted + 0.01:
            note(now - noted)
            noted = now
    note(time.thread_time() - noted)

def in_a_child(seconds=0.5):
    pid = os.fork()
    if pid == 0:
        work(seconds)
        os._exit(0)
    return pid

def wait_for_half_a_second(before=os.path.getsize({ledger!r})):
    while True:
        noted = np.fromfile({ledger!r}, offset=before)
        if noted.sum() > 0.5:
            return
        time.sleep(0.01)

def what_speaks_for_it():
    frame = sys._getframe()
    while "child" not in frame.f_locals:
        frame = frame.f_back
    child = frame.f_locals["child"]
    child.honest = getattr(child, "honest", child.reply)
    return child, child.honest

def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.01, array.shape) for array in net.get_weights()])
    return net

honest = unlearning
"""


@dataclass(frozen=True)
class Hidden:
    """A submission that hides half a second of work in each run, or more.

    Some only the kernel's counter finds; some work on several processors at once, which no clock on the wall sees.
    """

    text: str
    counter_needed: bool = False
    at_once: bool = False


HIDDEN = {
    "at the import": Hidden("work()"),
    "in a thread that goes on": Hidden(
        """
        def unlearning(*handed):
            threading.Thread(target=work, args=(60,)).start()
            wait_for_half_a_second()
            return honest(*handed)
        """
    ),
    "where the next run is prepared": Hidden(
        """
        put = keras.Model.set_weights
        def put_and_work(net, weights):
            work()
            put(net, weights)
        keras.Model.set_weights = put_and_work
        def unlearning(net, *sets):
            return net
        """
    ),
    "where the weights are asked for": Hidden(
        """
        class Late(keras.Model):
            def get_weights(net):
                work()
                return super().get_weights()
        def unlearning(net, *sets):
            return Late(net.inputs, net.outputs)
        """
    ),
    "after it said that it had returned": Hidden(
        """
        def unlearning(*handed):
            child, reply = what_speaks_for_it()
            reply("returned")
            work()
            child.reply = lambda kind, **content: kind != "returned" and reply(kind, **content)
            return honest(*handed)
        """
    ),
    "in a child": Hidden(
        """
        def unlearning(*handed):
            os.waitpid(in_a_child(), 0)
            return honest(*handed)
        """
    ),
    "in a child that goes on": Hidden(
        """
        def unlearning(*handed):
            in_a_child(60)
            wait_for_half_a_second()
            return honest(*handed)
        """
    ),
    "in a daemon of a session of its own": Hidden(
        """
        def unlearning(*handed):
            child = os.fork()
            if child == 0:
                os.setsid()
                in_a_child(60)
                os._exit(0)
            os.waitpid(child, 0)
            wait_for_half_a_second()
            return honest(*handed)
        """
    ),
    "in children whose remains nobody keeps": Hidden(
        """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        def unlearning(*handed):
            for _ in range(5):
                try:
                    os.waitpid(in_a_child(0.1), 0)
                except ChildProcessError:
                    pass
            return honest(*handed)
        """,
        counter_needed=True,
    ),
    "in a trace": Hidden(
        """
        def unlearning(*handed):
            @tf.function(autograph=False)
            def traced():
                work()
                return tf.constant(1)
            traced()
            return honest(*handed)
        """
    ),
    "in a trace that makes operations as well": Hidden(
        """
        def unlearning(*handed):
            @tf.function(autograph=False)
            def traced():
                for _ in range(500):
                    tf.identity(1.0)
                work()
                return tf.constant(1)
            traced()
            return honest(*handed)
        """
    ),
    "in a trace, between the making of one operation and the next": Hidden(
        """
        def unlearning(*handed):
            @tf.function(autograph=False)
            def traced():
                work(0.5, lambda: (sum(range(50_000)), tf.constant(1)))
                return tf.constant(1)
            traced()
            return honest(*handed)
        """
    ),
    "in what is executed during a trace, with operations in between": Hidden(
        """
        def unlearning(*handed):
            matrix = tf.random.stateless_normal((300, 300), seed=(0, 1))
            @tf.function(autograph=False)
            def traced():
                def execute():
                    with tf.init_scope():
                        matrix @ matrix
                    tf.constant(1)
                work(0.5, execute)
                return tf.constant(1)
            traced()
            return honest(*handed)
        """
    ),
    "in a function that is traced anew at each step": Hidden(
        """
        def unlearning(*handed):
            @tf.function(autograph=False)
            def step(x, number):
                for layer in range(20):
                    x = tf.nn.relu(x + number)
                work(0.05)
                return x
            for number in range(10):
                step(tf.zeros((8, 8)), number)
            return honest(*handed)
        """
    ),
    "in a layer that fit traces": Hidden(
        """
        class Eager(keras.layers.Layer):
            def call(self, x):
                def execute():
                    tf.random.stateless_normal((100, 100), seed=(0, 1)) @ tf.ones((100, 100))
                with tf.init_scope():
                    work(0.5 * (not isinstance(x, keras.KerasTensor)), execute)
                return x
        def unlearning(net, retain, *sets):
            student = keras.Sequential([Eager(), net])
            student.compile("sgd", "sparse_categorical_crossentropy")
            student.fit(retain.take(1), verbose=0)
            return honest(net, retain, *sets)
        """
    ),
    "in a loop of a graph, whose first call does it all": Hidden(
        """
        def unlearning(*handed):
            @tf.function
            def all_steps():
                for _ in tf.range(10):
                    tf.numpy_function(lambda: work(0.05), [], [])
            all_steps()
            return honest(*handed)
        """
    ),
    "in a thread beside a trace": Hidden(
        """
        def unlearning(*handed):
            thread = threading.Thread(target=work)
            @tf.function(autograph=False)
            def traced():
                thread.start()
                for _ in range(500):
                    tf.identity(1.0)
                thread.join()
                return tf.constant(1)
            traced()
            return honest(*handed)
        """
    ),
    "in the handler of a signal that comes after the return": Hidden(
        """
        def unlearning(*handed):
            signal.signal(signal.SIGPROF, lambda *_: work())
            signal.setitimer(signal.ITIMER_PROF, 0.001)
            return honest(*handed)
        """
    ),
    "where what it has left is collected": Hidden(
        """
        import gc
        class Left:
            def __del__(self):
                work()
        def unlearning(*handed):
            left = Left()
            left.itself = left
            gc.set_threshold(1)
            return honest(*handed)
        """
    ),
    "where its layers are described": Hidden(
        """
        describe = keras.layers.Dense.get_config
        def describe_late(layer):
            keras.layers.Dense.get_config = describe
            work()
            return describe(layer)
        def unlearning(*handed):
            keras.layers.Dense.get_config = describe_late
            return honest(*handed)
        """
    ),
    "on all processors": Hidden(
        """
        def unlearning(*handed):
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, range(os.cpu_count()))
            children = [in_a_child() for _ in range(2)]
            for child in children:
                os.waitpid(child, 0)
            return honest(*handed)
        """,
        at_once=True,
    ),
}
# A trace of plain Keras makes some 900 operations in a second.
UNIT = Retraining(seconds=10.0, work=8.0, tracing=1.0, operations=900, passes=1000.0)
# What counts where an accelerator computes.
BY_THE_CLOCK = replace(UNIT, by_the_clock=True)


@pytest.fixture(scope="module")
def worker(small_challenge: Challenge) -> Worker:
    return Worker(small_challenge)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where hidden work notes what it has taken, by the clock of its own thread: 8 bytes (a float64) at a time."""
    return tmp_path_factory.mktemp("submissions") / "seconds"


@pytest.fixture(scope="module")
def start(worker: Worker, ledger: Path) -> Iterator[Callable[[str], Contained]]:
    path = ledger.with_name("mine.py")

    def begin(text: str) -> Contained:
        ledger.write_bytes(b"")
        path.write_text(BEGINNING.replace("{ledger!r}", repr(str(ledger))) + textwrap.dedent(text))
        return Contained(read_source(path), worker.inputs(Entry("mine")), Limits(seconds=60))

    with pytest.MonkeyPatch.context() as patch:
        guests.fork_them(patch)
        yield begin


def billed(process: Contained) -> tuple[float, float]:
    """Returns the work of two runs of a process: in seconds of the processor, and by the clock."""
    costs = [process.run(seed).cost for seed in range(2)]
    processor, clock = (sum(map(unit.work_of, costs)) for unit in (UNIT, BY_THE_CLOCK))
    return processor, clock


@pytest.fixture(scope="module")
def of_honest_runs(start: Callable[[str], Contained]) -> float:
    """What two runs are billed that hide nothing, in seconds of the processor."""
    with start("") as process:
        return billed(process)[0]


@pytest.mark.slow
@pytest.mark.parametrize("where", HIDDEN)
def test_hidden_work_is_billed(
    start: Callable[[str], Contained], ledger: Path, of_honest_runs: float, where: str
) -> None:
    """Four fifths of what it has taken by its own clock, which counts as the kit's does: no busy machine stretches it.

    What the runs take beside it depends on the machine, and half of it is asked for.
    """
    hidden = HIDDEN[where]
    with start(hidden.text) as process:
        if hidden.counter_needed and not process._meter.misses_nothing:
            pytest.skip("the kernel gives this user no counter, and the books of /proc lack such children")
        seconds, by_the_clock = billed(process)
    worked = np.fromfile(ledger).sum()
    assert worked > 0.99 * LEAST_SECONDS
    assert seconds > 0.8 * worked + 0.5 * of_honest_runs
    assert hidden.at_once or by_the_clock > 0.8 * worked


def test_what_a_process_does_before_it_touches_the_submission_is_not_billed(start: Callable[[str], Contained]) -> None:
    with start("") as process:
        costs = process.run(0).cost, process.run(1).cost
        whole = process._meter.seconds()
    assert 0 < sum(cost.cpu_seconds for cost in costs) < whole


@pytest.mark.slow
def test_what_a_process_says_of_its_traces_is_bounded(start: Callable[[str], Contained]) -> None:
    lie = """
    def unlearning(*handed):
        child, reply = what_speaks_for_it()
        child.reply = lambda kind, **content: reply(kind, **content | {lies})
        return honest(*handed)
    """
    for lies in ({"tracing": 1e9, "operations": 10**15}, {"tracing": "long", "operations": [1]}, {"operations": -5}):
        with start(lie.replace("{lies}", repr(lies))) as process:
            cost = process.run(0).cost
        assert 0 <= UNIT.traced_of(cost) <= MOST_TRACES * UNIT.tracing
        assert 0 <= UNIT.work_of(cost) < 60


# One thread means one thread


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system ties no process to a processor")
def test_a_contained_process_has_one_processor_which_no_other_has(
    start: Callable[[str], Contained], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    tells = """
    def unlearning(*handed):
        print("on", *sorted(os.sched_getaffinity(0)), flush=True)
        return honest(*handed)
    """
    allowed = os.sched_getaffinity(0)
    with start(tells) as process:
        process.run(0)
        processor = set(process._cores.numbers)
        assert not processor & set(Cores(len(allowed)).numbers)
    assert len(processor) == 1
    assert process.output.split()[-2:] == ["on", str(*processor)]


def test_processors_are_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    first = Cores(1)
    first.close()
    again = Cores(1)
    assert len(again.numbers) == hasattr(os, "sched_getaffinity")
    again.close()
    assert again.numbers == ()


def test_where_too_few_are_left_a_process_is_not_tied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    assert Cores(10_000).numbers == ()
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "a file" / "below")
    (tmp_path / "a file").write_text("")
    assert Cores(1).numbers == ()


# Patience


def test_a_process_that_works_slowly_on_a_busy_machine_is_waited_for(start: Callable[[str], Contained]) -> None:
    """Ended after so many seconds of its own: here it has a third of a processor, and works for half of its limit."""
    slow = """
    def unlearning(*handed):
        for _ in range(20):
            work(0.02)
            time.sleep(0.05)
        return honest(*handed)
    """
    with start(slow) as process:
        process.limits = Limits(seconds=1.0)
        assert process.run(0).cost.seconds > 1.3
