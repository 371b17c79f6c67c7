"""Near matches of a mistyped path: files and folders of nearly that name where it points to."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
from collections.abc import Collection
from pathlib import Path

# Of a folder with more entries, the first ones: an error is not to wait for them.
_MOST_ENTRIES = 5000
_MOST_SHOWN, _LIKENESS = 2, 0.6


def did_you_mean_path(path: Path, otherwise: str) -> str:
    """Returns the end of an error about a path that leads nowhere: paths like it, or else another piece of advice.

    Args:
        path: of which a folder or the file itself is mistyped.
        otherwise: what is said where nothing there is like it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "mine.npz").write_text("")
        ...     did_you_mean_path(Path(folder, "mien.npz"), "Check the path.").replace(folder, "data")
        "Did you mean 'data/mine.npz'?"
    """
    wrong = path
    while not os.path.isdir(wrong.parent) and wrong.parent != wrong:  # pathlib's own refuses names that are too long
        wrong = wrong.parent
    rest = path.relative_to(wrong)
    names = [
        name for name in _names_in(wrong.parent) if name != wrong.name and os.path.exists(wrong.parent / name / rest)
    ]
    near = difflib.get_close_matches(wrong.name, names, n=_MOST_SHOWN, cutoff=_LIKENESS)
    paths = [f"'{wrong.parent / name / rest}'" for name in near]
    return f"Did you mean {' or '.join(paths)}?" if paths else otherwise


def files_beside(path: Path, suffixes: Collection[str]) -> list[str]:
    """Returns the files in the folder of a path that have one of these endings, as paths like it.

    Args:
        path: as it was typed.
        suffixes: endings in lower case, with their dots.

    Example:
        >>> files_beside(Path("no such folder/mine.nzp"), [".npz"])
        []
    """
    names = [name for name in _names_in(path.parent) if Path(name).suffix.lower() in suffixes]
    return [str(path.parent / name) for name in names]


def _names_in(folder: Path) -> list[str]:
    """Returns names in a folder that can be shown; none of a folder that cannot be read."""
    names: list[str] = []
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, _MOST_ENTRIES)]
    return sorted(name for name in names if name.isprintable())
