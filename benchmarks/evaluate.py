"""The true competition score on a laptop: how long does a whole `kit evaluate` of 512 models take?

    python -m benchmarks.evaluate [--models 512]

Three commands in a new folder each, from the start of Python to the last figure: the baseline with the oracle that
comes with the kit; the same with 512 models retrained; and what `kit new` writes, a submission in plain Keras that
compiles and fits in its body, in a process of its own.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Of 512 models on two cores, in minutes.
COMMANDS = {
    "finetune, shipped oracle": (["finetune"], 2),
    "finetune, --fresh-oracle": (["finetune", "--fresh-oracle"], 6),
    "plain Keras, shipped oracle": (["submission.py"], 6),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=512)
    models = str(parser.parse_args().models)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    kit = [sys.executable, "-m", "kit"]
    print(f"kit evaluate --num-models {models} on noisy-digits, {os.cpu_count()} processors")
    for name, (arguments, limit) in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            settings = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
            subprocess.run([*kit, "new", "submission.py"], check=True, **settings)
            start = time.perf_counter()
            done = subprocess.run([*kit, "evaluate", *arguments, "--num-models", models], check=True, **settings)
            minutes = (time.perf_counter() - start) / 60
        score = re.search(r"forgetting score is (\S+ \(.*?\))", " ".join(done.stdout.split()))
        print(
            f"{name:30s}{minutes:6.2f} minutes (at most {limit} wanted)   forgetting score {score[1] if score else '-'}"
        )


if __name__ == "__main__":
    main()
