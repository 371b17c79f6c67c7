"""Writes what the README's commands print into the README: python -m benchmarks.update_readme [BLOCK ...]

`python -m benchmarks.update_readme kinds methods` renders the tables of methods anew, in seconds.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = {
    "kinds": (["-m", "benchmarks.results", "--kinds"],),
    "methods": (["-m", "benchmarks.results", "--show"],),
    "cost": (["-m", "benchmarks.methods"],),
    "make run": (["-m", "kit", "run", "finetune"],),
    "competition": (["-m", "kit", "evaluate", "finetune", "--num-models", "512"],),
    "evaluate": (["-m", "benchmarks.evaluate"],),
    "population": (
        ["-m", "benchmarks.population"],
        ["-m", "benchmarks.population", "--memory", "--challenge", "noisy-digits"],
    ),
    "scores": (
        ["-m", "benchmarks.metric"],
        ["-m", "benchmarks.scoring"],
        ["-m", "benchmarks.engines"],
    ),
    "benchmarks": (
        ["-m", "benchmarks.training_loop"],
        ["-m", "benchmarks.training_loop", "--processors", "2"],
        ["-m", "benchmarks.memorisation"],
    ),
    "cifar10": (["-m", "benchmarks.cifar10"],),
    "cifar10-small": (["-m", "benchmarks.cifar10_small"],),
    "pytorch": (
        ["-m", "benchmarks.against_pytorch", "--images", "1280"],
        ["-m", "benchmarks.against_pytorch", "--images", "1280", "--threads", "2"],
        ["-m", "benchmarks.precision"],
    ),
    "containment": (
        ["-m", "benchmarks.containment"],
        ["-m", "benchmarks.containment", "--sandbox"],
    ),
}
# These print Markdown.
MARKDOWN = {"kinds", "methods"}


def main() -> None:
    readme = ROOT / "README.md"
    for name, commands in BLOCKS.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        printed = ""
        for command in commands:
            with tempfile.TemporaryDirectory() as folder:
                run = subprocess.run(
                    [sys.executable, *command],
                    capture_output=True,
                    text=True,
                    check=True,
                    cwd=folder,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                )
            shown = " ".join(command)
            head = f"`python {shown}`\n\n" if name in MARKDOWN else f"$ python {shown}\n"
            printed += head + "\n".join(line.rstrip() for line in run.stdout.splitlines()) + "\n\n"
        fence = ("", "") if name in MARKDOWN else ("```text\n", "\n```")
        pattern = rf"(<!-- {name}: begin[^>]*-->\n).*?(<!-- {name}: end -->)"
        block = f"\n{fence[0]}{printed.strip()}{fence[1]}\n\n"
        text, count = re.subn(
            pattern, lambda match, block=block: match[1] + block + match[2], readme.read_text(), flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"The README has no block '{name}'.")
        readme.write_text(text)


if __name__ == "__main__":
    main()
