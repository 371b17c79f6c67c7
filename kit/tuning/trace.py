"""What a search has found so far, on disk: an interrupted search goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kit import methods
from kit.storage import files, seals
from kit.tuning.settings import Search, Settings
from kit.types import Challenge, InputError

_PLACE = "search"  # which, `of` says


class Trace:
    """Scores of settings on splits, each written to a file as soon as it is known.

    The file is an object with `of`, all that the scores depend on, and `scores`, a list with an object for each:
    `settings`, `split` (0 for the first) and `score`. If `of` is another search's, the file is begun anew, and `note`
    says so.
    """

    def __init__(self, path: Path | None, search: Search, challenge: Challenge) -> None:
        """Reads the scores that an earlier search has written.

        Raises:
            InputError: the file is no trace.
        """
        self._path, self.note = path, ""
        self._of = _described(search, challenge)
        self._scores: dict[str, float] = {}
        self._entries: list[dict[str, Any]] = []
        if path is not None and path.is_file():
            files.remove_leftovers(path.parent, path.name)
            self._read(path)

    def _read(self, path: Path) -> None:
        expected = "a trace that 'kit tune' wrote, or no file"
        content = seals.read_results(path, _PLACE)
        if content is None:
            raise InputError(
                f"The file '{path}' is damaged, or no trace of a search. Expected {expected}. Move it away."
            )
        if content["of"] != self._of:
            self.note = f"{path} is of another kit, machine or search, which makes other models: begun anew"
            return
        for entry in content["scores"]:
            self._add(entry["settings"], entry["split"], entry["score"])

    def _add(self, settings: Settings, split: int, score: float) -> None:
        self._scores[_key(settings, split)] = score
        self._entries.append({"settings": settings, "split": split, "score": score})

    def score(self, settings: Settings, split: int) -> float | None:
        """Returns what a setting earned on a split; None where it was not tried there."""
        return self._scores.get(_key(settings, split))

    def known(self, settings: Settings, split: int) -> float:
        """Returns what a setting that was tried earned on a split."""
        return self._scores[_key(settings, split)]

    def keep(self, settings: Settings, split: int, score: float) -> None:
        """Adds a score, on disk as well."""
        self._add(settings, split, score)
        if self._path is not None:
            seals.write_json(self._path, _PLACE, {"of": self._of, "scores": self._entries})


def _key(settings: Settings, split: int) -> str:
    return json.dumps([settings, split], sort_keys=True)


def _described(search: Search, challenge: Challenge) -> dict[str, Any]:
    """Returns all that a score depends on besides settings and split; how many settings are tried is not of it."""
    from kit.machine import environment  # imports TensorFlow, whose version is part of it

    return {
        "method": search.method,
        "challenge": search.challenge,
        "data_sha256": challenge.data_sha256,
        "models": search.num_models,
        "source": [environment.source_sha256()[:12], methods.source_sha256(search.method)[:12]],
        "versions": environment.versions(),
        "machine": environment.machine(),
    }
