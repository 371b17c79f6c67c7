"""How long does the command line keep a person waiting, who only looks?

    python -m benchmarks.startup [--rounds 5]

Seconds of the processor, which other processes on the machine change little; the least of several rounds, after one
that is not counted and that writes Python's caches. The tests hold which modules these commands import; here is what
that comes to: of what only looks, of what is refused, of a run whose models and scores are stored, and of importing
TensorFlow as a command does it, beside a plain import. The last line is a whole run by the clock, the one of the
README's first minute, once.
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
REFUSED = (
    "run finetun",
    "run missing.py",
    "run --challenge noisy-digit",
    "run --forget class:99",
    "run --forget missing.npy",
    "run --recipe missing.toml",
    "run --model missing.keras",
    "run --weights missing.npz",
    "evaluate --engine thread",
    "tune original",
    "tune finetune --challenge noisy-digit",
    "pretrain noisy-digit",
    "explain finetun",
    "data mnis",
    "validate missing.py",
    "validate finetune --challenge noisy-digit",
    "pack finetune --challenge noisy-digit",
    "check-pack missing.zip",
    "convert-weights missing.pth --model resnet18 --output new.keras",
)
LONGEST_REFUSAL, LONGEST_STORED, LONGEST_RUN = 0.5, 2.0, 60.0
PLAIN_IMPORT = "import tensorflow"
COMMANDS_IMPORT = "from kit.machine import quiet; quiet.ask_for_quiet(False); quiet.load_tensorflow()"


def run(command: str, folder: str) -> tuple[float, float]:
    """Runs a command of the kit; returns the seconds of the processor and those of the clock."""
    return spent_on(["-m", "kit", *command.split()], folder)


def spent_on(arguments: list[str], folder: str) -> tuple[float, float]:
    """Returns the seconds of the processor and those of the clock of one start of Python."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "KIT_HOME": folder}
    before, begin = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, cwd=folder, env=environment)
    after, elapsed = os.times(), time.perf_counter() - begin
    if done.returncode not in (0, 2):  # 2: refused
        sys.exit(done.stderr.decode())
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, elapsed


def show(command: str, seconds: float, limit: float) -> None:
    print(f"{'kit ' + command:72s}{seconds:8.2f} s (at most {limit:g} wanted)", flush=True)


def compare_imports(rounds: int, folder: str) -> None:
    """Times TensorFlow's import as Python does it and as a command of the kit does it, by turns."""
    spent_on(["-c", PLAIN_IMPORT], folder)
    pairs = [[spent_on(["-c", code], folder)[0] for code in (PLAIN_IMPORT, COMMANDS_IMPORT)] for _ in range(rounds)]
    plain, quick = map(min, zip(*pairs, strict=True))
    print(
        f"import of TensorFlow: plain {plain:.2f} s, by a command {quick:.2f} s, {quick / plain:.2f} of it", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        print(f"seconds of the processor, the least of {rounds} rounds")
        limits = LIMITS | dict.fromkeys(REFUSED, LONGEST_REFUSAL)
        for command, limit in limits.items():
            run(command, folder)
            show(command, min(run(command, folder)[0] for _ in range(rounds)), limit)
        first = run("run finetune", folder)[1]
        show("run finetune, stored", min(run("run finetune", folder)[0] for _ in range(rounds)), LONGEST_STORED)
        compare_imports(rounds, folder)
        print("seconds by the clock")
        show("run finetune", first, LONGEST_RUN)


if __name__ == "__main__":
    main()
