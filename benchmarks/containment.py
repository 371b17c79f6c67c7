"""What does a contained run cost? The same submission and seeds, in this process and in processes of their own.

    python -m benchmarks.containment [--num-models 16] [--rounds 3] [--sandbox]

The submission is the one that 'kit new' writes. Both ways must give the same weights, to the bit. Contained, each run
has a fresh process, forked from one that is started once: the overhead is that start, shared by all runs, and what
forking and handing over take. CPU seconds are those of all processes, by which the ratio is formed: a busy machine
changes them little.
"""

import argparse
import os
import resource
import time
from pathlib import Path

import numpy as np

import kit
from kit.runs.worker import Worker
from kit.submission.entry import Entry

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit.submission import source as submission
from kit.submission.contained import Contained, Limits
from kit.toolbox import setup


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-models", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sandbox", action="store_true")
    arguments = parser.parse_args()
    path = Path(kit.__file__).parent / "submission" / "template.py"
    source, function = submission.read_source(path), kit.load_method(path)
    worker = Worker(kit.load_challenge())
    setup.warm_up()
    rows = []
    for _ in range(arguments.rounds):
        begin, cpu = time.perf_counter(), cpu_seconds()
        here = [
            kit.unlearn(function, worker.challenge, seed=seed, worker=worker).net.get_weights()
            for seed in range(arguments.num_models)
        ]
        in_process = time.perf_counter() - begin, cpu_seconds() - cpu
        contained = Contained(
            source, worker.inputs(Entry("template")), Limits(seconds=120), sandboxed=arguments.sandbox
        )
        begin, cpu = time.perf_counter(), cpu_seconds()
        with contained:
            pass
        start = time.perf_counter() - begin, cpu_seconds() - cpu
        begin, cpu = time.perf_counter(), cpu_seconds()
        with contained:
            there = [contained.run(seed) for seed in range(arguments.num_models)]
        whole = time.perf_counter() - begin, cpu_seconds() - cpu
        rows.append([*in_process, *whole, *start, whole[0] - start[0], whole[1] - start[1]])
        for mine, returned in zip(here, there, strict=True):
            if not all(map(np.array_equal, mine, returned.weights)):
                raise SystemExit("The weights differ between the two ways.")
    report(np.median(rows, axis=0), worker.challenge.name, arguments)


def cpu_seconds() -> float:
    """Returns those of this process and of the processes that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def report(row: np.ndarray, challenge: str, arguments: argparse.Namespace) -> None:
    here, here_cpu, there, there_cpu, start, start_cpu, runs, runs_cpu = row
    number = arguments.num_models
    print(
        f"{number} runs of the template on {challenge}; the same bits both ways".ljust(60)
        + f"{'seconds':>12s}{'CPU s':>12s}"
    )
    print(f"{'in this process':60s}{here:12.2f}{here_cpu:12.2f}")
    how = "in bubblewrap" if arguments.sandbox else "contained"
    print(f"{how:60s}{there:12.2f}{there_cpu:12.2f}   ratio {there_cpu / here_cpu:.2f}")
    print(f"{'  of which starting, once':60s}{start:12.2f}{start_cpu:12.2f}")
    print(f"{'  a run':60s}{runs / number:12.3f}{runs_cpu / number:12.3f}   ratio {runs_cpu / here_cpu:.2f}")
    print(f"{'  beyond a run in this process':60s}{(runs - here) / number:12.3f}{(runs_cpu - here_cpu) / number:12.3f}")


if __name__ == "__main__":
    main()
