"""How long does the command line keep a person waiting, who only looks?

    python -m benchmarks.startup [--rounds 5]

Seconds of the processor, which other processes on the machine change little; the least of several rounds, after one
that is not counted and that writes Python's caches. The tests hold which modules these commands import; here is what
that comes to. The last line is a whole run by the clock, the one of the README's first minute, once.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {"--help": 0.35, "list methods": 0.4, "list scorers": 0.4, "list challenges": 0.5, "data": 0.5}
LONGEST_RUN = 60.0


def run(command: str, folder: str) -> tuple[float, float]:
    """Returns the seconds of the processor and those of the clock."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "KIT_HOME": folder}
    before, begin = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "kit", *command.split()], check=True, capture_output=True, cwd=folder, env=environment
    )
    after, elapsed = os.times(), time.perf_counter() - begin
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, elapsed


def show(command: str, seconds: float, limit: float) -> None:
    print(f"{'kit ' + command:24s}{seconds:8.2f} s (at most {limit:g} wanted)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        print(f"seconds of the processor, the least of {rounds} rounds")
        for command, limit in LIMITS.items():
            run(command, folder)
            show(command, min(run(command, folder)[0] for _ in range(rounds)), limit)
        print("seconds by the clock")
        show("run finetune", run("run finetune", folder)[1], LONGEST_RUN)


if __name__ == "__main__":
    main()
