"""The unlearned model and its evidence in their places: both or none of them, and never half of one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kit.requests import delivery, evidence
from kit.requests.outcome import Outcome
from kit.storage import files
from kit.storage.scratch import Scratch
from kit.types import FailedRun


def publish(outcome: Outcome, source: Path, output: Path, folder: Path | None = None) -> str:
    """Writes the unlearned model as a copy of the user's file, and the evidence.

    Args:
        outcome: of the request.
        source: the `.keras` file that the model was loaded from.
        output: of the unlearned model; what is there is replaced.
        folder: of the evidence, new or empty; None for none.

    Returns:
        The hex digest of the unlearned model's file.

    Raises:
        CannotWrite: the system refuses it; then nothing was written.
        FailedRun: `source` is another file than it was; nor then.
    """
    if files.sha256_of(source) != outcome.request.model_sha256:
        raise FailedRun(
            f"The model '{source}' has changed since it was loaded. Expected it unchanged until the unlearned model, "
            "a copy with other weights, is written. Nothing was written. Run the command again when nothing else "
            "writes to that file."
        )
    try:
        with contextlib.ExitStack() as stack:
            model = _beside(output, stack)
            delivery.write(outcome.model, source, model)
            sha256 = files.sha256_of(model)
            if folder is not None:
                staged = _beside(folder, stack)
                evidence.write(staged, outcome, sha256)
                _put(staged, folder)
                stack.callback(_take_back, folder, output, sha256)
            os.replace(model, output)
    except OSError as error:
        raise files.cannot_write(output, error) from error
    return sha256


def publish_evidence(outcome: Outcome, folder: Path) -> None:
    """Writes the evidence alone, all of it or nothing.

    Args:
        outcome: of the request.
        folder: new or empty.

    Raises:
        CannotWrite: the system refuses it; then nothing was written.
    """
    try:
        with contextlib.ExitStack() as stack:
            staged = _beside(folder, stack)
            evidence.write(staged, outcome)
            _put(staged, folder)
    except OSError as error:
        raise files.cannot_write(folder, error) from error


def _beside(path: Path, stack: contextlib.ExitStack) -> Path:
    """Returns a place on the same disk, from which what is written there can be moved at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(Scratch(f".{path.name}-", path.parent)).path / path.name


def _put(staged: Path, folder: Path) -> None:
    if folder.is_dir():
        folder.rmdir()
    os.replace(staged, folder)


def _take_back(folder: Path, output: Path, sha256: str) -> None:
    """Removes evidence of a model that did not come to its place."""
    if not output.is_file() or files.sha256_of(output) != sha256:
        files.remove(folder)
