"""What a method reports of its run beside its model: numbers for the report, in a file of its own folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from kit.storage import files

_NAME = "facts.json"


def read(folder: Path) -> dict[str, float]:
    """Returns the facts in a folder, by name; none where no method wrote any.

    Args:
        folder: that was handed to the method.

    Example:
        >>> read(Path("no such folder"))
        {}
    """
    path = folder / _NAME
    facts: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
    return facts


def write(folder: Path, facts: Mapping[str, float]) -> None:
    """Writes facts into a folder, atomically, in place of those that are there.

    Args:
        folder: that was handed to the method.
        facts: name -> number; the report has their mean over runs.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(Path(folder), {"shards_retrained": 3})
        ...     read(Path(folder))
        {'shards_retrained': 3}
    """
    files.write_json(folder / _NAME, dict(facts))
