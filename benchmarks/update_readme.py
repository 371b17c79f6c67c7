"""Writes what the README's commands print into the README: python -m benchmarks.update_readme [BLOCK ...]

`python -m benchmarks.update_readme kinds methods` renders the tables of methods anew, in seconds.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = {
    "kinds": ([str(ROOT / "benchmarks" / "results.py"), "--kinds"],),
    "methods": ([str(ROOT / "benchmarks" / "results.py"), "--show"],),
    "cost": ([str(ROOT / "benchmarks" / "methods.py")],),
    "make run": (["-m", "kit", "run", "finetune"],),
    "competition": (["-m", "kit", "evaluate", "finetune", "--num-models", "512"],),
    "evaluate": ([str(ROOT / "benchmarks" / "evaluate.py")],),
    "population": (
        [str(ROOT / "benchmarks" / "population.py")],
        [str(ROOT / "benchmarks" / "population.py"), "--memory", "--challenge", "noisy-digits"],
    ),
    "scores": (
        [str(ROOT / "benchmarks" / "metric.py")],
        [str(ROOT / "benchmarks" / "scoring.py")],
        [str(ROOT / "benchmarks" / "engines.py")],
    ),
    "benchmarks": (
        [str(ROOT / "benchmarks" / "training_loop.py")],
        [str(ROOT / "benchmarks" / "training_loop.py"), "--processors", "2"],
        [str(ROOT / "benchmarks" / "signal.py")],
    ),
    "cifar10": ([str(ROOT / "benchmarks" / "cifar10.py")],),
    "cifar10-small": ([str(ROOT / "benchmarks" / "cifar10_small.py")],),
    "pytorch": (
        [str(ROOT / "benchmarks" / "against_pytorch.py"), "--images", "1280"],
        [str(ROOT / "benchmarks" / "against_pytorch.py"), "--images", "1280", "--threads", "2"],
        [str(ROOT / "benchmarks" / "precision.py")],
    ),
    "containment": (
        [str(ROOT / "benchmarks" / "containment.py")],
        [str(ROOT / "benchmarks" / "containment.py"), "--sandbox"],
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
                run = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, cwd=folder)
            shown = " ".join(part.replace(f"{ROOT}/", "") for part in command)
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
