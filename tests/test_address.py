"""The repository's address stands in pyproject.toml, and what is written from it says the same."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(
    r"(?:github\.com|githubusercontent\.com|colab\.research\.google\.com/github)/[\w-]+/unlearning[\w-]*"
)
EXAMPLE = "https://github.com/somebody/some-kit"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "notebooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


address = loaded("address")


def test_no_other_file_names_an_address_of_its_own() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    if not paths:  # an unpacked archive has no list of files
        paths = [path for folder in ("docs", "kit", "notebooks", "tests") for path in (ROOT / folder).rglob("*.*")]
    texts = [path for path in paths if path.suffix in (".cff", ".ipynb", ".md", ".py", ".toml", ".yml")]
    addresses = {
        match for path in texts if path.is_file() for match in NAMED.findall(path.read_text("utf-8", "replace"))
    }
    assert {f"https://{match.removeprefix('https://')}" for match in addresses} <= {address.address()}


@pytest.mark.parametrize("source", address.SOURCES, ids=lambda path: path.stem)
def test_a_notebook_begins_as_the_address_has_it(source: Path) -> None:
    text, repository = source.read_text(encoding="utf-8"), address.address()
    assert address.first_cell(repository) in text
    assert f"# {address.badges(repository, source.stem)}\n" in text
    elsewhere = address.written(text, EXAMPLE, source.stem)
    assert f'"git+{EXAMPLE}"' in elsewhere
    assert f"somebody/some-kit/blob/main/notebooks/{source.stem}.ipynb" in elsewhere
    assert address.written(elsewhere, repository, source.stem) == text
    first = next(
        cell for cell in nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells if cell.cell_type == "code"
    )
    assert first.source == address.first_cell(repository)


def test_the_first_cells_are_python_with_and_without_an_address() -> None:
    for repository in ("", EXAMPLE):
        compile(address.first_cell(repository), "cell", "exec")
        cells = jupytext.reads(f"# %%\n{address.first_cell(repository)}\n", fmt="py:percent").cells
        assert len(cells) == 1


def test_citation_and_readme_are_as_the_address_has_them() -> None:
    for name, rewrite in (("CITATION.cff", address.cited), ("README.md", address.cloned)):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert rewrite(text, address.address()) == text
        assert EXAMPLE in rewrite(text, EXAMPLE)
        assert rewrite(rewrite(text, EXAMPLE), address.address()) == text


def test_the_address_is_read_from_the_project(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(f'[project]\nname = "x"\n[project.urls]\nRepository = "{EXAMPLE}/"\n')
    assert address.address(project) == EXAMPLE
    project.write_text('[project]\nname = "x"\n')
    assert address.address(project) == ""


def test_the_first_cell_in_a_clone_takes_the_clone(tmp_path: Path) -> None:
    """Of a kit that is not installed: isolated, Python sees the standard library and the folder alone."""
    for folder in ("kit", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "kit" / "__init__.py").write_text("origin = 'the clone'\n")
    (tmp_path / "kit" / "py.typed").touch()
    code = f"{address.first_cell('')}\nimport kit; print(kit.origin)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path / "notebooks",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("the clone\n", "")


def test_the_first_cell_without_a_kit_says_what_to_attach(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", address.first_cell("")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "attach the data set" in done.stderr
