"""Downloads: every mirror in turn, by hash, with a progress bar; only a whole and right file gets its name."""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import kit
from kit.datasets import cache
from kit.datasets.registry import RemoteFile
from kit.machine.bars import progress
from kit.storage import files

# Seconds until a connection stands, and seconds without a byte after which a mirror is given up.
CONNECT_SECONDS, STALL_SECONDS = 10.0, 30.0
_BRIEF = 2
_HTML_BEGINNINGS = (b"<!doctype html", b"<html", b"<head", b"<?xml")


class CannotDownload(Exception):
    """No mirror gave the file; the text says for each why not, and `brief` for some, with the file's name."""

    def __init__(self, file: RemoteFile, failures: Sequence[tuple[str, str]]) -> None:
        """Takes the file, and for each mirror the host and a clause."""
        super().__init__("; ".join(f"{host}: {reason}" for host, reason in failures))
        hosts: dict[str, list[str]] = {}
        for host, reason in failures:
            hosts.setdefault(reason, []).append(host)
        clauses = [
            f"{some[0]}{f' and {len(some) - 1} more' if some[1:] else ''}: {reason}" for reason, some in hosts.items()
        ]
        rest = "; and other failures" if len(clauses) > _BRIEF else ""
        self.brief = f"{file.name} from {'; '.join(clauses[:_BRIEF])}{rest}"


class _BadMirror(Exception):
    """One mirror did not give the file; the text says why not."""


class _BadDisk(Exception):
    """Carries an error of the disk past what catches errors of the network, of which many are OSErrors too."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    announce: Callable[[str], None],
    timeouts: tuple[float, float] = (CONNECT_SECONDS, STALL_SECONDS),
) -> Path:
    """Returns the path of a file in `folder`, which is downloaded if it is not there or not right.

    A wrong file stays until the right one has come, and then gives way to it at once.

    Several processes may ask for the same file at once: one downloads it, and the others wait for it.

    Args:
        file: what to download, and from where.
        folder: made if it is not there.
        announce: told which mirror failed, and why.
        timeouts: seconds until a connection stands, and seconds without a byte after which a mirror is given up.

    Raises:
        CannotDownload: every mirror failed.
        CannotStore: the folder cannot be written to, or the disk is full.
    """
    path = folder / file.name
    if _is_right(path, file):
        return path
    with cache.one_at_a_time(folder, announce):
        if _is_right(path, file):  # another process was quicker
            return path
        failures = []
        for url in file.urls:
            try:
                _download(url, path, file, timeouts)
                return path
            except _BadMirror as error:
                failures.append((urllib.parse.urlsplit(url).netloc, str(error)))
                announce(f"{file.name} from {': '.join(failures[-1])}")
    raise CannotDownload(file, failures)


def _is_right(path: Path, file: RemoteFile) -> bool:
    try:
        return files.sha256_of(path) == file.sha256
    except OSError:
        return False


def _download(url: str, path: Path, file: RemoteFile, timeouts: tuple[float, float]) -> None:
    from pooch import HTTPDownloader

    # Not compressed on the way: what is hashed and counted are the bytes of the file.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"unlearning-kit/{kit.__version__}"}
    bar = progress(label=f"downloading {file.name}", total=file.num_bytes, unit="B", scaled=True)
    with bar, cache.storing(path, file.num_bytes) as stream:
        arriving = _Arriving(stream, file)
        download = HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=timeouts, headers=headers)
        try:
            download(url, arriving, None)
        except _BadMirror:
            raise
        except _BadDisk as error:
            raise error.cause from None
        except Exception as error:  # requests, urllib3 and the sockets below them each have errors of their own
            raise _BadMirror(_reason(error, arriving, timeouts)) from error
        arriving.check()


def _reason(error: Exception, arriving: _Arriving, timeouts: tuple[float, float]) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the server answered {status}"
    if "timed out" in str(error) and arriving.num_bytes:
        return f"no byte for {timeouts[1]:g} seconds after about {arriving.share}"
    if arriving.num_bytes:
        return f"the connection broke after about {arriving.share} ({type(error).__name__})"
    return f"no answer ({type(error).__name__})"


class _Arriving:
    """What a download is written to: counts and hashes what passes, and stops what cannot be the file."""

    def __init__(self, stream: BinaryIO, file: RemoteFile) -> None:
        self._stream, self._file, self._digest = stream, file, hashlib.sha256()
        self._beginning = b""
        self.num_bytes = 0

    @property
    def share(self) -> str:
        return f"{self.num_bytes / self._file.num_bytes:.0%}"

    def write(self, chunk: bytes) -> Any:
        self._beginning = (self._beginning + chunk)[:64] if len(self._beginning) < 64 else self._beginning
        if self._beginning.lstrip().lower().startswith(_HTML_BEGINNINGS):
            raise _BadMirror("an HTML page came instead of the file")
        self.num_bytes += len(chunk)
        if self.num_bytes > self._file.num_bytes:
            raise _BadMirror(f"more came than the {self._file.num_bytes:,} bytes of the file")
        self._digest.update(chunk)
        return self._on_disk(self._stream.write, chunk)

    def flush(self) -> None:
        self._on_disk(self._stream.flush)

    def check(self) -> None:
        """Raises an error unless the whole and right file has come."""
        if self.num_bytes == 0:
            raise _BadMirror("nothing came")
        if self.num_bytes < self._file.num_bytes:
            raise _BadMirror(f"only {self.share} came")
        if self._digest.hexdigest() != self._file.sha256:
            raise _BadMirror(f"what came has the sha256 {self._digest.hexdigest()[:12]}..., which is not the right one")

    @staticmethod
    def _on_disk(action: Callable[..., Any], *chunks: bytes) -> Any:
        try:
            return action(*chunks)
        except OSError as error:
            raise _BadDisk(error) from error
