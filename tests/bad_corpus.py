"""The corpus of bad submissions: what the header of each file says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "bad_submissions"


@dataclass(frozen=True)
class Bad:
    """A file, the check that reports it, at which level, a part of the message, and whether it needs the sandbox."""

    path: Path
    check: str
    level: str
    says: str
    sandboxed: bool


def read(path: Path) -> Bad:
    text = path.read_bytes().decode(errors="replace")
    header = {match[1]: match[2].strip() for match in re.finditer(r"^# (check|level|says|needs): (.*)$", text, re.M)}
    return Bad(path, header["check"], header["level"], header.get("says", ""), header.get("needs") == "sandbox")


CORPUS = [read(path) for path in sorted(FOLDER.glob("*.py"))]
BAD = [bad for bad in CORPUS if not bad.sandboxed]
MISBEHAVING = [
    bad
    for bad in BAD
    if bad.check in {"imports", "import_side_effects", "memory", "time_budget", "output", "leaves_nothing"}
]
ATTACKS = [bad for bad in CORPUS if bad.sandboxed]
