"""The pack of a run without data, which a competition starts first, to see whether the notebook runs at all."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from kit.storage import files

MANIFEST = "manifest.json"
# The competition's notebooks were run twice, first without data: a file of this name in the input folder says so.
_MOCK_SIGN = "empty.txt"


def is_mock_run(input_folder: str | Path = "/kaggle/input") -> bool:
    """Returns whether this is the competition's first run of a notebook, in which the data are not there yet.

    Example:
        >>> is_mock_run("no such folder")
        False
    """
    return next(Path(input_folder).rglob(_MOCK_SIGN), None) is not None


def write_mock(output: str | Path) -> None:
    """Writes the zip that such a run has to leave: it holds nothing but the word that it is one."""
    with files.atomic_write(Path(output)) as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(MANIFEST), json.dumps({"mock": True}) + "\n")
