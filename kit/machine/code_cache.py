"""Where compilers keep what they have compiled, so that the next process need not: folders that are this user's alone.

What lies there is run as machine code. So nobody else may write to it, a submission is never told of it (what it is
handed is in `kit.submission.contained`), and it is apart for each compiler, version and kind of machine. No cache is no
fault: compiling anew costs seconds and gives the same bits.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path

from kit.machine import environment
from kit.storage import digests, files

MAX_AGE_SECONDS, MAX_BYTES = 30 * 24 * 3600, 2 << 30
_ONLY_THE_OWNER, _OTHERS_WRITE = 0o700, stat.S_IWGRP | stat.S_IWOTH


def folder(compiler: str) -> Path | None:
    """Returns the folder of a compiler on this machine, which exists then, and removes what is old in those of all.

    Args:
        compiler: its name and version, such as `jax-0.10.0`, with which the folder's name begins.

    Returns:
        A folder below `$KIT_HOME`; None where none can be made, or where another user could write to it.

    Example:
        >>> folder("jax-0.10.0").name == f"jax-0.10.0-{machine_tag()}"
        True
    """
    above = files.cache_folder() / "compiled"
    own = above / f"{compiler}-{machine_tag()}"
    try:
        if not (_is_private(above) and _is_private(own)):
            return None
        os.utime(own)
        _sweep(above)
    except OSError:  # a full or read-only disk, a file in its place
        return None
    return own


def machine_tag(proc: Path = Path("/proc")) -> str:
    """Returns 16 hexadecimal digits, others wherever compiled code may be another.

    Args:
        proc: where the system describes processor and graphics cards.

    That is the system, the processor with its instructions (a virtual machine may hide some), the cards and their
    driver, the number of threads, and what the environment asks of XLA.
    """
    cards = [path.read_text() for path in sorted((proc / "driver" / "nvidia").glob("version"))]
    for path in sorted((proc / "driver" / "nvidia" / "gpus").glob("*/information")):
        cards += [line for line in path.read_text().splitlines() if line.startswith("Model")]
    parts = [environment.machine(), _instructions(proc / "cpuinfo"), cards, os.environ.get("XLA_FLAGS", "")]
    return digests.digest_of(parts)[:16]


def _instructions(cpuinfo: Path) -> str:
    """Returns the line of the first core that names them: `flags` of x86, `Features` of ARM."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _is_private(path: Path) -> bool:
    """Makes a folder, if need be, and returns whether it is this user's, who alone can write to it and now read it."""
    path.mkdir(mode=_ONLY_THE_OWNER, parents=True, exist_ok=True)
    if not hasattr(os, "getuid"):  # on Windows, a user's folder is the user's own
        return True
    status = path.lstat()  # a link, which another user may have set, is no folder
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & _OTHERS_WRITE:
        return False
    path.chmod(_ONLY_THE_OWNER)
    return True


def _sweep(above: Path) -> None:
    """Removes files that nobody has used for a month, the longest unused beyond a limit in bytes, and empty folders."""
    oldest, room = time.time() - MAX_AGE_SECONDS, MAX_BYTES
    for used, size, path in sorted(_files(above), reverse=True):
        room -= size
        if used < oldest or room < 0:
            with contextlib.suppress(OSError):  # another process was quicker
                os.unlink(path)
    for parent, _, _ in os.walk(above, topdown=False):
        with contextlib.suppress(OSError):  # most often it is not empty
            if os.lstat(parent).st_mtime < oldest:
                os.rmdir(parent)


def _files(above: Path) -> list[tuple[float, int, str]]:
    """Returns when each file was last used (read, where the disk records that), its bytes and its path."""
    entries = []
    for parent, _, names in os.walk(above):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                status = os.lstat(path)
                entries.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    return entries
