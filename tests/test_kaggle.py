"""A notebook on Kaggle without internet: the data set of 'make kaggle-package' is attached, or nothing is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest
from test_address import loaded

ROOT = Path(__file__).resolve().parents[1]
kaggle = loaded("kaggle")
# Of Kaggle's client, documentation of kernel_metadata.md and dataset_metadata.md.
KERNEL_FIELDS = {
    "id", "title", "code_file", "language", "kernel_type", "is_private", "enable_gpu", "enable_internet",
    "dataset_sources", "competition_sources", "kernel_sources", "model_sources",
}  # fmt: skip


def test_metadata_are_as_kaggle_wants_them() -> None:
    data_set = kaggle.data_set_metadata("ada")
    assert data_set["id"] == "ada/unlearning-kit"
    assert 6 <= len(data_set["title"]) <= 50
    assert 20 <= len(data_set["subtitle"]) <= 80
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        kernel = kaggle.kernel_metadata(notebook, "ada")
        assert set(kernel) == KERNEL_FIELDS
        assert kernel["id"] == f"ada/{re.sub(r'[^a-z0-9]+', '-', kernel['title'].lower())}"
        assert (kernel["dataset_sources"], kernel["enable_internet"]) == ([data_set["id"]], False)
        assert (ROOT / "notebooks" / kernel["code_file"]).is_file()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What 'make kaggle-package' leaves, from a copy of what a wheel is built from."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__", "results")
    for name in ("kit", "data"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = folder.glob("*.whl")
    kaggle.build(wheel, folder / "kaggle", "ada")
    return folder / "kaggle"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An environment like Kaggle's: the libraries are there, the kit is not."""
    venv.create(tmp_path / "environment", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return tmp_path / "environment" / "bin" / "python"


def ran_on_kaggle(code: str, python: Path, folder: Path, attached: Path | None) -> subprocess.CompletedProcess[str]:
    """Runs code in Kaggle's folders, with what is attached and without a network (needs bubblewrap)."""
    mounts = ["--dev", "/dev", "--proc", "/proc", "--dir", "/kaggle/input", "--bind", str(folder), "/kaggle/working"]
    for entry in sorted(Path("/").iterdir()):
        if entry.is_symlink():
            mounts += ["--symlink", str(entry.readlink()), str(entry)]
        elif entry.name not in ("dev", "proc", "kaggle"):
            mounts += ["--bind", str(entry), str(entry)]
    if attached is not None:
        mounts += ["--ro-bind", str(attached), "/kaggle/input/unlearning-kit"]
    command = ["bwrap", *mounts, "--unshare-net", "--chdir", "/kaggle/working", str(python), "-c", code]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KIT_", "PYTHON"))}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment | {"HOME": str(folder)})


def first_cell(notebook: Path) -> str:
    return next(cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code")


@pytest.mark.slow
def test_the_package_has_all_that_is_needed(package: Path) -> None:
    (wheel,) = (package / "data-set").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"kit/data/pretrained/{path.name}" for path in (ROOT / "data" / "pretrained").glob("*.npz")} <= names
    assert {"kit/data/oracles/noisy-digits.npz", "kit/data/registry.json", "kit/py.typed"} <= names
    inside = set(zipfile.ZipFile(package / "data-set.zip").namelist())
    assert {wheel.name, "dataset-metadata.json", "notebooks/01_walkthrough.ipynb"} <= inside
    for kernel in (package / "notebooks").iterdir():
        metadata = json.loads((kernel / "kernel-metadata.json").read_text(encoding="utf-8"))
        assert (kernel / metadata["code_file"]).is_file()


@pytest.mark.slow
def test_the_first_cell_takes_the_attached_wheel_without_a_network(package: Path, python: Path, tmp_path: Path) -> None:
    code = first_cell(package / "notebooks" / "01_walkthrough" / "01_walkthrough.ipynb") + (
        "\nimport os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'"
        "\nimport kit; print(kit.__file__); print(kit.unlearn('original', kit.load_challenge()).net.count_params())"
    )
    done = ran_on_kaggle(code, python, tmp_path, package / "data-set")
    assert done.returncode == 0, done.stderr[-2000:]
    place, weights = done.stdout.splitlines()
    assert Path(place).is_relative_to(python.parents[1])
    assert int(weights) == 22602


@pytest.mark.slow
def test_the_first_cell_says_what_to_attach_where_nothing_is(package: Path, python: Path, tmp_path: Path) -> None:
    code = first_cell(package / "notebooks" / "01_walkthrough" / "01_walkthrough.ipynb")
    done = ran_on_kaggle(code, python, tmp_path, None)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "attach the data set" in done.stderr
