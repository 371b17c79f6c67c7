"""A zip that grows by one model at a time, and survives being killed at any moment."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.contest.mock import MANIFEST
from kit.storage import seals
from kit.types import InputError

_PLACE = "pack"  # which, its description says


@dataclass(frozen=True)
class Packed:
    """A pack that was written: where, how many models of how many bytes, and seconds of all calls together."""

    path: Path
    num_models: int
    num_bytes: int
    seconds: float


def checkpoint_name(number: int) -> str:
    """Returns the name of a model within the zip.

    Example:
        >>> checkpoint_name(7)
        'checkpoints/0007.npz'
    """
    return f"checkpoints/{number:04d}.npz"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class GrowingZip:
    """A zip to which one file at a time is added.

    Adding writes over the archive's directory, which is at its end. A journal beside it keeps the directory as it was
    after the last file, so that it can be put back.
    """

    def __init__(self, output: Path, description: dict[str, Any]) -> None:
        """Takes up what an interrupted process has left of the same pack.

        Args:
            output: the zip's name, once it is whole.
            description: what the manifest says besides seeds and seconds.

        Raises:
            InputError: what lies there is another pack's, or damaged.
        """
        self._output = output
        self._partial, self._journal = (output.with_name(output.name + end) for end in (".partial", ".journal"))
        self._description = description
        self._seeds: list[int] = []
        self._seconds: list[float] = []
        self._digests: list[str] = []
        if self._journal.is_file() and self._partial.is_file():
            self._resume()
        else:
            output.parent.mkdir(parents=True, exist_ok=True)
            self._journal.unlink(missing_ok=True)  # first: a journal alone would be believed the next time
            self._partial.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._seeds)

    def _resume(self) -> None:
        kept = seals.read_results(self._journal, _PLACE)
        if kept is None:
            raise InputError(
                f"'{self._journal}' is damaged. Expected what an interrupted 'kit pack' left there. Delete it and "
                f"'{self._partial}' to begin anew."
            )
        start, directory = kept["start"], base64.b64decode(kept["directory"])
        seeds, seconds, description = kept["seeds"], kept["seconds"], kept["description"]
        if description != json.loads(json.dumps(self._description)):
            changed = [key for key, value in self._description.items() if description.get(key) != value]
            raise InputError(
                f"'{self._partial}' holds {len(seeds)} models of another {' and '.join(changed)}. Expected the method, "
                "challenge and options with which it was begun. Repeat the first command, choose another --output, or "
                f"delete it and '{self._journal}'."
            )
        if self._partial.stat().st_size < start:
            raise self._damaged(f"has {self._partial.stat().st_size:,} bytes where {start:,} were written")
        with self._partial.open("r+b") as stream:
            stream.seek(start)
            stream.write(directory)
            stream.truncate()
        self._seeds, self._seconds, self._digests = seeds, seconds, kept["sha256"]
        self._check_models()

    def _check_models(self) -> None:
        """Checks that the models are those that were written: they are the work of hours, and not looked at again."""
        try:
            with zipfile.ZipFile(self._partial) as archive:
                digests = [_sha256(archive.read(checkpoint_name(number))) for number in range(len(self))]
        except Exception as error:  # zipfile and zlib raise errors of many kinds for a damaged file
            raise self._damaged(f"cannot be read ({type(error).__name__})") from error
        if digests != self._digests:
            changed = [number for number in range(len(self)) if digests[number] != self._digests[number]]
            raise self._damaged(f"holds another '{checkpoint_name(changed[0])}' than was written")

    def _damaged(self, what: str) -> InputError:
        return InputError(
            f"'{self._partial}' {what}. Expected the file as it was left. Restore it, or delete it and "
            f"'{self._journal}' to begin anew."
        )

    def append(self, name: str, content: bytes, seed: int, seconds: float) -> None:
        """Adds a file; once this returns, it stays."""
        start = self._write(name, content)
        self._seeds.append(seed)
        self._seconds.append(seconds)
        self._digests.append(_sha256(content))
        with self._partial.open("rb") as stream:
            stream.seek(start)
            directory = base64.b64encode(stream.read()).decode()
        seals.write_json(
            self._journal,
            _PLACE,
            {
                "start": start,
                "directory": directory,
                "seeds": self._seeds,
                "seconds": self._seconds,
                "sha256": self._digests,
                "description": self._description,
            },
        )

    def _write(self, name: str, content: bytes) -> int:
        with zipfile.ZipFile(self._partial, "a", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(name), content)
        with zipfile.ZipFile(self._partial) as archive:
            return archive.start_dir

    def finish(self, num_models: int) -> Packed:
        """Adds the manifest and gives the zip its name.

        Raises:
            InputError: the zip holds more models than that already.
        """
        manifest = self._description | {
            "num_models": num_models,
            "seeds": self._seeds[:num_models],
            "seconds": self._seconds[:num_models],
        }
        if len(self) != num_models:
            raise InputError(
                f"'{self._partial}' holds {len(self)} models already. Expected {num_models} at most. Ask for "
                f"--num-models {len(self)}, or delete it and '{self._journal}'."
            )
        self._write(MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        os.replace(self._partial, self._output)
        self._journal.unlink()
        for leftover in self._output.parent.glob(f".{self._journal.name}.*"):  # of a process that was killed
            leftover.unlink(missing_ok=True)
        return Packed(self._output, num_models, self._output.stat().st_size, float(sum(self._seconds)))
