"""Executes the percent-format sources and writes the .ipynb files beside them: python notebooks/generate.py"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent


def generate(source: Path) -> None:
    notebook = jupytext.read(source)
    with tempfile.TemporaryDirectory() as empty:
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": empty}}).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"  # random otherwise: every generation would be a change
        cell.metadata = {}
        if cell.cell_type == "code":
            # Progress bars and TensorFlow's log, which nobody wants to read again.
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    nbformat.write(notebook, source.with_suffix(".ipynb"))
    print(f"{source.with_suffix('.ipynb').name}: {source.with_suffix('.ipynb').stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for path in sorted(FOLDER.glob("[0-9]*.py")):
        generate(path)
