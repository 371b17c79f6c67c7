"""Folders of results: each run of the command line has one of its own, so that no report overwrites another.

    runs/noisy-digits/20260314-092653-finetune/     report.json, split.npz, figures
    runs/noisy-digits/latest                        a link to the newest of them
    runs/noisy-digits/report.json                   a link to its report
    runs/noisy-digits/finetune-5c0f1e2a3b4d/        finished models (kit.runs.store), which later runs use again

Decisions:

- The report is written last: a folder that holds one is whole. What an interrupted run leaves is removed.
- The time is that of the clock on the wall, since people look for this morning's run; names sort by it.
- `latest` is for people, and the report beside it for their scripts, which know no time. Where links cannot be made
  (Windows asks for a privilege) there are none, and nothing here reads them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from kit.storage import files

REPORT = "report.json"
LATEST = "latest"
# In bytes: with the time before it and a number behind it, a name stays far below what file systems take.
_LONGEST_NAMES = 80
_MOST_NAMES = 3


def name_of(methods: Sequence[str], when: datetime) -> str:
    """Returns what a run's folder is called.

    Args:
        methods: their names, in the order in which they were asked for; of more than three, the others are counted.
        when: the run ended.

    Example:
        >>> name_of(["finetune", "scrub"], datetime(2026, 3, 14, 9, 26, 53))
        '20260314-092653-finetune-scrub'
        >>> name_of(["ssd", "scrub", "salun", "sisa", "influence"], datetime(2026, 3, 14, 9, 26, 53))
        '20260314-092653-ssd-scrub-salun-and-2-more'
    """
    others = len(methods) - _MOST_NAMES
    more = f"-and-{others}-more" if others > 0 else ""
    names = "-".join(methods[:_MOST_NAMES]).encode()[:_LONGEST_NAMES].decode(errors="ignore")
    return f"{when:%Y%m%d-%H%M%S}-{names}{more}"


@contextlib.contextmanager
def fresh(root: Path, challenge: str, methods: Sequence[str], when: datetime | None = None) -> Iterator[Path]:
    """Gives a new folder for the results of a run, and leads `latest` to it; after an error it is gone.

    Args:
        root: of `--out`.
        challenge: its name.
        methods: names of those that were asked for.
        when: the run ended; by default now.

    Raises:
        CannotWrite: the folder cannot be made.
    """
    folder = _made(root / challenge, name_of(methods, when or datetime.now()))
    try:
        yield folder
    except BaseException:
        files.remove(folder)
        raise
    _lead_to(folder)


def below(place: Path) -> list[Path]:
    """Returns the folders of results in a folder, at any depth, those of a challenge in the order of their time.

    Args:
        place: such a folder itself, or one that holds some, e.g. that of `--out`. What is called `latest` in it is left
            out, and the report beside it: links, or the copies that some programs make of them.
    """
    reports = (path for path in place.rglob(REPORT) if path.is_file() and not (path.parent / LATEST).exists())
    return sorted(path.parent for path in reports if LATEST not in path.relative_to(place).parts)


def _made(parent: Path, name: str) -> Path:
    """Makes a folder that was not there: of two runs that end in one second, the second's name ends in a number."""
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise files.cannot_write(folder, error) from error
    raise AssertionError  # counting does not end


def _lead_to(folder: Path) -> None:
    """Makes `latest` a link to a folder beside it, and a link to its report; leaves alone what is no link."""
    latest = folder.parent / LATEST
    if _linked(latest, folder.name, folder.name):
        _linked(folder.parent / REPORT, f"{LATEST}/{REPORT}", folder.name)


def _linked(link: Path, target: str, mark: str) -> bool:
    """Makes a link, at once for whoever looks, by way of one whose name has a mark; returns whether there is one."""
    temporary = link.with_name(f".{link.name}.{mark}")
    if link.exists() and not link.is_symlink():
        return False
    with contextlib.suppress(OSError, NotImplementedError):
        temporary.symlink_to(target)
        os.replace(temporary, link)
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
    return link.is_symlink()
