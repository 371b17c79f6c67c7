"""Writes what the commands of README and docs/ print into these pages: python -m benchmarks.update_readme [BLOCK ...]

`python -m benchmarks.update_readme kinds methods` renders the tables of methods anew, in seconds.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = {
    "kinds": (["-m", "benchmarks.results", "--kinds"],),
    "methods": (["-m", "benchmarks.results", "--show"],),
    "cards": (["-m", "benchmarks.model_cards"],),
    "cost": (["-m", "benchmarks.methods"],),
    "make run": (["-m", "kit", "run", "finetune"],),
    "competition": (["-m", "kit", "run", "finetune", "--num-models", "64", "--explain"],),
    "evaluate": (["-m", "benchmarks.evaluate"],),
    "coverage": (["-m", "benchmarks.coverage"],),
    "deletion": (["-m", "benchmarks.deletion", "adult"],),
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
    "leaks": (["-m", "kit", "leaks", "sisa", "--requests", "60"],),
    "queue": (["-m", "benchmarks.queue_timing"],),
    "adaptive": tuple(
        ["-m", "benchmarks.adaptive_requests", *options.split()]
        for options in (
            "",
            "--challenge digits --epochs 20 --trials 60",
            "--challenge digits --epochs 20 --trials 24 --shards 6",
            "--challenge fashion-mnist --records 1000 --epochs 20 --trials 30",
            "--challenge cifar10-small --records 1000 --model convnet --epochs 20 --trials 30",
        )
    ),
    "forging": (["-m", "benchmarks.forging"],),
    "certifying": (
        ["-m", "benchmarks.certifying"],
        ["-m", "benchmarks.certifying", "--challenge", "fashion-mnist", "--epochs", "2", "--rounds", "5"],
        ["-m", "benchmarks.certifying", "--challenge", "fashion-mnist", "--shard"],
        ["-m", "benchmarks.merkle_tree"],
    ),
    "requests": (
        ["-m", "kit", "requests", "simulate"],
        ["-m", "kit", "requests", "simulate", "--arrivals", "bursts:2:20", "--service", "by-cost:4x4:50"],
    ),
    "devices": (["-m", "benchmarks.devices"],),
    "containment": (
        ["-m", "benchmarks.containment"],
        ["-m", "benchmarks.containment", "--sandbox"],
    ),
}
# These print Markdown.
MARKDOWN = {"cards", "devices", "kinds", "methods"}


PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def main() -> None:
    for name, commands in BLOCKS.items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            _replace(name, "".join(_printed(name, command) for command in commands).strip())


def _printed(name: str, command: Sequence[str]) -> str:
    """Returns what a command prints, below the command."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=True, cwd=folder, env=environment
        )
    shown = " ".join(command)
    head = f"`python {shown}`\n\n" if name in MARKDOWN else f"$ python {shown}\n"
    return head + "\n".join(line.rstrip() for line in run.stdout.splitlines()) + "\n\n"


def _replace(name: str, printed: str) -> None:
    """Puts what was printed between the comments that name a block, wherever they stand."""
    fence = ("", "") if name in MARKDOWN else ("```text\n", "\n```")
    pattern = re.compile(rf"(<!-- {name}: begin[^>]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    pages = [page for page in PAGES if pattern.search(page.read_text(encoding="utf-8"))]
    if len(pages) != 1:
        raise SystemExit(f"{len(pages)} pages have a block '{name}'.")
    block = f"\n{fence[0]}{printed}{fence[1]}\n\n"
    text = pattern.sub(lambda match: match[1] + block + match[2], pages[0].read_text(encoding="utf-8"))
    pages[0].write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
