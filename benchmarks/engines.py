"""What does an engine cost? 1,000 tasks of 10 ms of work through each of them.

    python -m benchmarks.engines [--tasks 1000] [--milliseconds 10] [--workers 2]

The work keeps a core busy until the clock has gone on by so much. Seconds are to be compared with the sum of the work
divided by the workers, which nothing can beat; the rest, per task, is what the engine takes. Starting is apart: Ray and
processes are asked for one task per worker first, which imports nothing but the kit's engines. On a machine that is
busy otherwise, the numbers say little.
"""

import argparse
import time

from kit import engines


def busy(seconds: float, task: int) -> int:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return task


def measure(name: str, workers: int, tasks: int, seconds: float) -> tuple[float, float]:
    """Returns the seconds until every worker has answered once, and those for all tasks after that."""
    begin = time.perf_counter()
    with engines.start(name, workers=workers) as engine:
        list(engine.map(busy, seconds, range(workers)))
        started, begin = time.perf_counter() - begin, time.perf_counter()
        done = sorted(task for task, _ in engine.map(busy, seconds, range(tasks)))
        whole = time.perf_counter() - begin
    if done != list(range(tasks)):
        raise SystemExit(f"The engine '{name}' lost tasks.")
    return started, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--milliseconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{arguments.tasks} tasks of {arguments.milliseconds:g} ms; {engines.usable_cores()} cores")
    print(
        f"{'engine':12s}{'workers':>8s}{'start, s':>10s}{'work, s':>10s}{'took, s':>10s}{'ratio':>8s}{'ms a task':>11s}"
    )
    for name in engines.NAMES:
        workers = 1 if name == "serial" else arguments.workers
        started, whole = measure(name, workers, arguments.tasks, arguments.milliseconds / 1000)
        least = arguments.tasks * arguments.milliseconds / 1000 / workers
        # Of a worker's time: with two workers, a second more in all is two seconds that they did not work.
        each = (whole - least) * workers / arguments.tasks * 1000
        print(f"{name:12s}{workers:8d}{started:10.2f}{least:10.2f}{whole:10.2f}{whole / least:8.2f}{each:11.2f}")


if __name__ == "__main__":
    main()
