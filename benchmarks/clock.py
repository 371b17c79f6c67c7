"""Does a busy machine change what a call is billed? The template's time ratio, idle and beside busy processes.

    python -m benchmarks.clock [--busy 8] [--runs 4] [--rounds 3] [FILE]
    python -m benchmarks.clock --habits [FOLDER] [--busy 8]

A retraining in plain Keras is timed once, on the machine as it is. Then the file (by default what 'kit new' writes,
with five epochs) runs contained, in turns alone and beside so many processes that do nothing but compute. Shown are
medians of the rounds: seconds by the clock over those of the retraining, which was held against the budget once, and
CPU seconds without tracing over those of the retraining, which is. Ends with 1 where the latter differ by more than
a fifth.

With `--habits`, the files of a folder (by default the seventeen habits of public submissions) are examined as
'kit validate' does, in turns alone and beside so many busy processes: a line a file with what it takes of a retraining,
and what does not pass. Ends with 1 where a check fails, or warns of anything but that a call comes near its budget.
"""

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import kit
from kit.contest import validate
from kit.contest.validate import Checked
from kit.runs import timing
from kit.runs.worker import Worker
from kit.submission.entry import Entry

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit.submission.contained import Contained, Limits
from kit.submission.source import read_source

HABITS = Path(__file__).parents[1] / "tests" / "good_submissions"
MOST = 1.2
# They end with this process, however that ends.
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))"


@contextlib.contextmanager
def busy_machine(processes: int) -> Iterator[None]:
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def ratios(path: Path, worker: Worker, unit: kit.types.Retraining, runs: int) -> tuple[float, float]:
    """Returns a call's seconds by the clock over a retraining's, and its work over a retraining's, on average."""
    inputs = worker.inputs(Entry("mine"))
    with Contained(read_source(path), inputs, Limits(seconds=600)) as contained:
        costs = [contained.run(seed).cost for seed in range(runs)]
    by_the_clock = statistics.mean(cost.seconds for cost in costs) / unit.seconds
    return by_the_clock, statistics.mean(unit.work_of(cost) for cost in costs) / unit.work


def template(folder: str) -> Path:
    before = (Path(kit.__file__).parent / "submission" / "template.py").read_text()
    text = before.replace("epochs = 4", "epochs = 5")
    assert text != before, "the template has another number of epochs by now"
    path = Path(folder) / "template.py"
    path.write_text(text)
    return path


def compare_ratios(path: Path, worker: Worker, options: argparse.Namespace) -> bool:
    """Prints what a file takes of a retraining, alone and beside busy processes; returns if that is much the same."""
    unit, alone, beside = timing.reference(worker.challenge), [], []
    for _ in range(options.rounds):
        alone.append(ratios(path, worker, unit, options.runs))
        with busy_machine(options.busy):
            beside.append(ratios(path, worker, unit, options.runs))
    processors = len(os.sched_getaffinity(0))
    print(f"{path.name} on {worker.challenge.name}, {options.runs} runs a round, {processors} processors")
    print(f"{'':40s}{'alone':>8s}{f'beside {options.busy}':>12s}{'ratio':>8s}")
    for title, idle, busy in zip(
        ("seconds by the clock / a retraining's", "CPU seconds / a retraining's"),
        map(statistics.median, zip(*alone, strict=True)),
        map(statistics.median, zip(*beside, strict=True)),
        strict=True,
    ):
        print(f"{title:40s}{idle:8.3f}{busy:12.3f}{busy / idle:8.2f}")
    return bool(1 / MOST < busy / idle < MOST)


def examine_habits(folder: Path, worker: Worker, busy: int) -> bool:
    """Prints what 'kit validate' finds of each file, alone and beside busy processes; returns whether all pass."""
    timing.reference(worker.challenge)
    print(f"{'of a retraining, on ' + worker.challenge.name:28s}{'alone':>8s}{f'beside {busy}':>12s}", flush=True)
    all_pass = True
    for path in sorted(folder.glob("*.py")):
        alone = validate.examine(path, worker.challenge)
        with busy_machine(busy):
            beside = validate.examine(path, worker.challenge)
        problems = sorted({problem for outcomes in (alone, beside) for problem in not_passed(outcomes)})
        all_pass = all_pass and not problems
        shares = f"{share(alone):>8s}{share(beside):>12s}"
        print(f"{path.stem:28s}{shares}  {', '.join(problems) or 'all checks pass'}", flush=True)
    return all_pass


def not_passed(outcomes: list[Checked]) -> list[str]:
    """Returns what stands in a submission's way; to come near the budget on a busy machine does not."""
    return [
        f"{outcome.name} {outcome.status}"
        for outcome in outcomes
        if outcome.status != "PASS" and (outcome.name, outcome.status) != ("time_budget", "WARN")
    ]


def share(outcomes: list[Checked]) -> str:
    (message,) = (outcome.message for outcome in outcomes if outcome.name == "time_budget")
    ratio = re.search(r"([\d.]+) of a retraining", message)
    return ratio[1] if ratio else "?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--habits", nargs="?", type=Path, const=HABITS)
    parser.add_argument("--busy", type=int, default=8)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    worker = Worker(kit.load_challenge())
    if options.habits is not None:
        sys.exit(0 if examine_habits(options.habits, worker, options.busy) else 1)
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if compare_ratios(options.file or template(folder), worker, options) else 1)


if __name__ == "__main__":
    main()
