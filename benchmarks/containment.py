"""What does a contained run cost? The same submission and seeds, in this process and in one of its own.

    python -m benchmarks.containment [--num-models 16] [--rounds 3] [--sandbox]

The submission is the one that 'kit new' writes. Both ways must give the same weights, to the bit. Contained, a process
is started once (no state is carried from run to run), so that the overhead is that start, shared by all runs, and what
handing over takes.
"""

import argparse
import os
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
        begin = time.perf_counter()
        here = [
            kit.unlearn(function, worker.challenge, seed=seed, worker=worker).net.get_weights()
            for seed in range(arguments.num_models)
        ]
        in_process, begin = time.perf_counter() - begin, time.perf_counter()
        with Contained(
            source, worker.inputs(Entry("template")), Limits(seconds=120), sandboxed=arguments.sandbox
        ) as contained:
            started = time.perf_counter() - begin
            there = [contained.run(seed).weights for seed in range(arguments.num_models)]
        rows.append((in_process, started, time.perf_counter() - begin))
        same = all(np.array_equal(a, b) for x, y in zip(here, there, strict=True) for a, b in zip(x, y, strict=True))
        if not same:
            raise SystemExit("The weights differ between the two ways.")
    in_process, start, whole = np.median(rows, axis=0)
    how = "in bubblewrap" if arguments.sandbox else "contained"
    print(f"{arguments.num_models} runs of the template on {worker.challenge.name}, seconds; the same bits both ways")
    print(f"{'in this process':40s}{in_process:8.2f}")
    print(f"{how:40s}{whole:8.2f}   ratio {whole / in_process:.2f}")
    print(f"{'  of which starting, once':40s}{start:8.2f}")
    each = (whole - start - in_process) / arguments.num_models
    print(f"{'  of which handing over, each run':40s}{each:8.3f}")


if __name__ == "__main__":
    main()
