"""Writes the repository's address, which stands in pyproject.toml, wherever else it is needed: python notebooks/address.py

That is the first cells and badges of the notebooks, CITATION.cff and the README's `git clone`. As long as pyproject.toml
names no address, none of them does. No notebook is executed.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
SOURCES = sorted(FOLDER.glob("[0-9]*.py"))
PLACES = "Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set)."
CELL = """\
# Finds the kit: installed, in the clone around this notebook, or as a wheel beside it or in an attached data set.
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("kit") is None:
    here, attached, wheel = Path.cwd(), Path("/kaggle/input"), "unlearning_kit-*.whl"
    clones = [folder for folder in (here, *here.parents) if (folder / "kit" / "py.typed").exists()]
    wheels = [*here.glob(wheel), *(path for up in range(1, 5) for path in attached.glob("*/" * up + wheel))]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if clones:
        sys.path.insert(0, str(clones[0]))
    elif wheels:
        subprocess.run([*install, str(wheels[0])], check=True)
    %s:
        raise SystemExit(
            "The kit is not here: attach the data set that 'make kaggle-package' builds (on Kaggle: Add Input), or "
            "upload the wheel in it beside this notebook (in Colab: the folder at the left), and run this cell again."
        )"""
_CLONE = "git clone ADDRESS unlearning-kit   # the address of the repository that you were given"
_FIRST_CELL = re.compile(r"# Finds the kit: .*?\n        \)$", re.DOTALL | re.MULTILINE)
_BADGES = re.compile(rf"(?:\[!\[Open in Colab\][^\n]*|{re.escape(PLACES)})(?=\n)")


def address(project: Path = ROOT / "pyproject.toml") -> str:
    """Returns the address of the repository; an empty text as long as there is none."""
    urls = tomllib.loads(project.read_text(encoding="utf-8"))["project"].get("urls", {})
    return str(urls.get("Repository", "")).rstrip("/")


def first_cell(repository: str) -> str:
    """Returns the first code cell of every notebook."""
    if repository:
        return CELL % f'elif subprocess.run([*install, "git+{repository}"], check=False).returncode'
    return CELL % "else"


def badges(repository: str, name: str) -> str:
    """Returns what stands below the title of a notebook: where it runs, as links where there is an address."""
    path = repository.removeprefix("https://github.com/")
    if not repository or path == repository:
        return PLACES
    colab = f"https://colab.research.google.com/github/{path}/blob/main/notebooks/{name}.ipynb"
    raw = f"https://raw.githubusercontent.com/{path}/main/notebooks/{name}.ipynb"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]"
        f"(https://kaggle.com/kernels/welcome?src={raw})"
    )


def written(source: str, repository: str, name: str) -> str:
    """Returns a percent source with this address in the place of any other."""
    return _FIRST_CELL.sub(lambda _: first_cell(repository), _BADGES.sub(lambda _: badges(repository, name), source))


def cited(citation: str, repository: str) -> str:
    """Returns CITATION.cff with this address, or without one."""
    lines = [line for line in citation.splitlines() if not line.startswith("repository-code: ")]
    return "\n".join([*lines, *([f"repository-code: {repository}"] if repository else []), ""])


def cloned(readme: str, repository: str) -> str:
    """Returns the README with this address after `git clone`, or without one."""
    line = f"git clone {repository} unlearning-kit" if repository else _CLONE
    return re.sub(r"^git clone .*$", lambda _: line, readme, flags=re.MULTILINE)


def main(repository: str) -> None:
    """Writes all of them."""
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        source.write_text(written(text, repository, source.stem), encoding="utf-8")
        _copy_cells(source)
    for name, rewrite in (("CITATION.cff", cited), ("README.md", cloned)):
        path = ROOT / name
        path.write_text(rewrite(path.read_text(encoding="utf-8"), repository), encoding="utf-8")


def _copy_cells(source: Path) -> None:
    """Brings the text of the cells into the notebook, whose outputs stay."""
    path = source.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    for cell, new in zip(notebook.cells, jupytext.read(source).cells, strict=True):
        cell["source"] = new.source
    nbformat.write(notebook, path)


if __name__ == "__main__":
    main(address())
