"""Colab's way, in an environment with its versions: python tests/colab.py DATA_SET_FOLDER ('make test-colab')

The wheel lies beside a notebook, as if it had been uploaded. The first cell takes it, and changes no other package;
then the notebook runs to its last assertion.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = "01_walkthrough.ipynb"


def installed() -> set[str]:
    frozen = [sys.executable, "-m", "pip", "freeze", "--all", "--disable-pip-version-check"]
    return set(subprocess.run(frozen, capture_output=True, text=True, check=True).stdout.split("\n"))


def main(data_set: Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", "unlearning-kit"], check=True)
    before = installed()
    with tempfile.TemporaryDirectory() as content:
        (wheel,) = data_set.glob("*.whl")
        shutil.copy(wheel, content)
        notebook = nbformat.read(data_set / "notebooks" / NOTEBOOK, as_version=4)
        client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": content}})
        client.execute()
    changed = before ^ installed()
    assert {line.split(" @ ")[0].split("==")[0] for line in changed} == {"unlearning-kit"}, changed
    versions = [
        line for line in sorted(before) if line.split("==")[0] in ("tensorflow", "keras", "numpy", "setuptools")
    ]
    print(f"{NOTEBOOK} runs on Python {sys.version.split()[0]}, {', '.join(versions)}; 1 passed, 0 failed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
