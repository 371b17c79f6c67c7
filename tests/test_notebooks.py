"""Notebooks: the .ipynb files are generated from the .py sources, and every one of them runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jupytext
import nbformat
import processes
import pytest
from nbclient import NotebookClient
from retrainings import taking

import kit
from kit.runs import plain_keras, timing

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9]*.py"))
MAX_CODE_LINES = 300
IN_A_KERNEL = "01_walkthrough"
# Fewer models and epochs for the same assertions, by the words that say so: below 16 no other processes make models.
SISA_EPOCHS = 3
QUICK = {
    "02_forget_a_class": (
        '(["sisa"], challenge,',
        f'(["sisa"], replace(challenge, recipe=replace(challenge.recipe, epochs={SISA_EPOCHS})),',
    ),
    "05_populations": ("NUM_MODELS = 64\n", "NUM_MODELS = 15\n"),
    "06_methods_side_by_side": ("num_models=8)", "num_models=4)"),
}


def test_there_are_notebooks() -> None:
    assert SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_is_generated_from_its_source(source: Path) -> None:
    generated = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    written = jupytext.read(source)
    assert [(cell.cell_type, cell.source) for cell in generated.cells] == [
        (cell.cell_type, cell.source) for cell in written.cells
    ], "run 'make notebooks'"
    assert sum(cell.source.count("\n") + 1 for cell in written.cells if cell.cell_type == "code") <= MAX_CODE_LINES
    outputs = [output for cell in generated.cells for output in cell.get("outputs", [])]
    assert outputs, "the notebook that Colab shows should have its outputs: run 'make notebooks'"
    assert not [output for output in outputs if output.output_type == "error"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_teaches(source: Path) -> None:
    """It says who wrote it, when, how long it runs and what it teaches; and ends in work for the reader."""
    cells = jupytext.read(source).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    opening = cells[0].source
    assert opening.startswith("# ")
    for field in ("**Author:** ", "**Date:** 20", "**Running time:** ", "You will learn\n\n- "):
        assert field in opening, field
    places = [
        text.find(part) for part in ("## Exercises", "**1.** ", "**2.** ", "**3.** ", "## Questions", "## Further")
    ]
    assert places[0] > -1
    assert places == sorted(places)
    starts = [number for number, cell in enumerate(cells) if cell.source.lstrip("#").find("**1.** ") > -1]
    answers = [cell.source for cell in cells[starts[0] :] if cell.cell_type == "code" and "assert " in cell.source]
    assert len(answers) >= 4, "three exercises and the headline"


def measure_before(challenge: kit.Challenge) -> None:
    """Leaves the seconds of a retraining for other processes to find, as if it had been timed on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for epochs in (challenge.recipe.epochs, SISA_EPOCHS):
            patch.setattr(plain_keras, "time_retraining", lambda _, epochs=epochs: (taking(float(epochs)), 1.0))
            timing.reference(replace(challenge, recipe=replace(challenge.recipe, epochs=epochs)))


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_runs(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_data: Callable[[str], None]
) -> None:
    """In an empty folder, as a newcomer would; an assertion in its last cell checks a headline fact.

    The first in a kernel, the others cell by cell in processes that have TensorFlow before they begin. The clock of a
    retraining is looked at where one is short.
    """
    if '"mnist-five"' in source.read_text(encoding="utf-8"):
        require_data("mnist-five")
        measure_before(kit.load_challenge("mnist-five"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    before, after = QUICK.get(source.stem, ("", ""))
    text = source.read_text(encoding="utf-8")
    assert before in text
    notebook = jupytext.reads(text.replace(before, after), fmt="py:percent")
    assert notebook.cells[-1].source.splitlines()[-1].startswith("assert ")
    folder = tmp_path / "folder"
    folder.mkdir()
    if source.stem == IN_A_KERNEL:
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    else:
        jupytext.write(notebook, tmp_path / "notebook.py", fmt="py:percent")
        script = Path(__file__).with_name("notebook_session.py")
        finished = processes.run(script, tmp_path / "notebook.py", folder=folder, seconds=600)
        assert finished.returncode == 0, finished.stderr
