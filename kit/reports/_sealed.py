"""Results beside a report (`evidence.json`, `leaks.json`): a frozen dataclass as JSON, with a digest of all it says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from kit.storage import files, seals, strict_json
from kit.types import from_json

Result = TypeVar("Result")


def to_json(result: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass, with their digest."""
    return seals.with_digest(asdict(result))


def write(path: Path, result: Any) -> None:
    """Writes a dataclass, atomically."""
    files.write_json(path, to_json(result))


def read(path: Path, kind: type[Result], expected: str) -> Result:
    """Returns what `write` was given.

    Args:
        path: of the file.
        kind: the dataclass.
        expected: what the file should be, for the error.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    content = files.checked(
        lambda: seals.without_digest(strict_json.loads(path.read_bytes()), required=True), path, expected
    )
    result: Result = from_json.read(content, kind, f"'{path}'")
    return result
