"""Builds what a Kaggle notebook without internet attaches: python notebooks/kaggle.py WHEEL FOLDER [--owner NAME]

FOLDER/data-set holds the wheel (with the weights and oracles), MNIST if this machine has it, the notebooks and
`dataset-metadata.json`; FOLDER/data-set.zip is the same for an upload by hand. FOLDER/notebooks has a folder for each
notebook with its `kernel-metadata.json`, for `kaggle kernels push`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path


from kit.datasets import places, registry

FOLDER = Path(__file__).resolve().parent
NAME, TITLE = "unlearning-kit", "Unlearning kit"
# What Kaggle's own client writes where a name is to be filled in.
OWNER = "INSERT_USERNAME_HERE"
SMALL_DATA = "mnist"


def build(wheel: Path, folder: Path, owner: str = OWNER) -> None:
    """Writes everything below `folder`, which is emptied first.

    Args:
        wheel: of the kit.
        folder: to be written.
        owner: the user's name on Kaggle.
    """
    shutil.rmtree(folder, ignore_errors=True)
    data_set = folder / "data-set"
    (data_set / "notebooks").mkdir(parents=True)
    shutil.copy(wheel, data_set)
    for path in _small_data():
        shutil.copy(path, data_set)
    _write(data_set / "dataset-metadata.json", data_set_metadata(owner))
    for notebook in sorted(FOLDER.glob("[0-9]*.ipynb")):
        shutil.copy(notebook, data_set / "notebooks")
        kernel = folder / "notebooks" / notebook.stem
        kernel.mkdir(parents=True)
        shutil.copy(notebook, kernel)
        _write(kernel / "kernel-metadata.json", kernel_metadata(notebook, owner))
    shutil.make_archive(str(data_set), "zip", data_set)


def data_set_metadata(owner: str) -> dict[str, object]:
    """Returns what Kaggle wants to know of a data set."""
    return {
        "id": f"{owner}/{NAME}",
        "title": TITLE,
        "subtitle": "Machine unlearning for Keras, to be used without internet",
        "description": "The wheel of the unlearning kit (Apache-2.0) with its weights and oracles; its notebooks; and, if "
        "the file is there, MNIST (LeCun, Cortes and Burges, CC BY-SA 3.0).",
        "licenses": [{"name": "other"}],
        "keywords": [],
    }


def kernel_metadata(notebook: Path, owner: str) -> dict[str, object]:
    """Returns what Kaggle wants to know of a notebook: it has no internet, and the data set is attached."""
    title = f"{TITLE} {notebook.stem.replace('_', ' ')}"
    return {
        "id": f"{owner}/{title.lower().replace(' ', '-')}",
        "title": title,
        "code_file": notebook.name,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": False,
        "enable_internet": False,
        "dataset_sources": [f"{owner}/{NAME}"],
        "competition_sources": [],
        "kernel_sources": [],
        "model_sources": [],
    }


def _small_data() -> tuple[Path, ...]:
    """Returns the files of the small data set, or none if this machine does not have it."""
    candidate = next(places.candidates(registry.DATA_SETS[SMALL_DATA]), None)
    return candidate.paths if candidate is not None else ()


def _write(path: Path, metadata: dict[str, object]) -> None:
    path.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--owner", default=OWNER, help="your name on Kaggle")
    given = parser.parse_args()
    build(given.wheel, given.folder, given.owner)
    for path in sorted(path for path in given.folder.rglob("*") if path.is_file()):
        print(f"{path.relative_to(given.folder)}: {path.stat().st_size / 1024:.0f} KiB")
    if not _small_data():
        print(f"Without {SMALL_DATA}, which is not on this machine: attach it beside the data set for notebook 02.")
