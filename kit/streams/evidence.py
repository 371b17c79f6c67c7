"""What a request is answered with: a folder of its own, whole or not there, and the same folder as a zip file.

| file | what it says |
|---|---|
| `statement.md` | all of it in plain language, and what is not covered |
| `evidence.json` | the same for programs: request, decision, outcome, history; with digests of the files beside |
| `certificate.json`, `receipt-*.json` | the signed part, for who checks (`kit verify`) |
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.storage import durable, files, seals, strict_json
from kit.storage.scratch import Scratch
from kit.streams import statement
from kit.streams.leases import Batch
from kit.streams.request import Refused, Request, shown
from kit.streams.store import Store
from kit.types import InputError

FOLDER = "evidence"
INDEX, STATEMENT = "evidence.json", "statement.md"
RECEIPT = "receipt-"
# So that a zip file of the same files is the same file.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def place(store: Store, number: int) -> Path:
    """Returns the folder of a request's evidence.

    Args:
        store: the queue.
        number: of the request, from 1.
    """
    return store.folder / FOLDER / f"{number:04d}"


def file(store: Store, batch: Batch, request: Request, outcome: Mapping[str, Any], papers: Mapping[str, bytes]) -> Path:
    """Writes the evidence of a request, in place of what a killed process has left of it.

    Args:
        store: the queue.
        batch: that the request is in.
        request: which.
        outcome: plain values: what the work says of itself.
        papers: bytes of files that go with it, by name.

    Raises:
        CannotWrite: the disk is full, for instance.
    """
    now, target = store.now(), place(store, request.number)
    content = {
        "request": request.to_json(now) | {"state": "done", "settled": shown(now)},
        "decision": {"policy": batch.decision.policy, "reason": batch.decision.reason, "by": batch.decision.by},
        "batch": {"number": batch.number, "requests": len(batch.requests), "records": len(batch.records)},
        "outcome": dict(outcome),
        "not_covered": list(statement.NOT_COVERED),
        "history": [event.to_json() for event in store.events_of(request.number)],
        "files": {name: hashlib.sha256(paper).hexdigest() for name, paper in papers.items()},
    }
    index = json.dumps(seals.with_digest(content), indent=1, allow_nan=False) + "\n"
    whole = {INDEX: index.encode(), STATEMENT: statement.page(content).encode(), **papers}
    try:
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.sync_folder(target.parent.parent)
        with Scratch(".evidence-", store.folder) as scratch:
            for name, paper in whole.items():
                (scratch.path / name).write_bytes(paper)
            if target.exists():
                files.remove(target)
            durable.sync_tree(scratch.path)  # before the request is settled, which SQLite has on the disk
            os.replace(scratch.path, target)
            durable.sync_folder(target.parent)
    except OSError as error:
        raise files.cannot_write(target, error) from error
    return target


def read(store: Store, number: int) -> dict[str, Any]:
    """Returns what `evidence.json` of a settled request says.

    Args:
        store: the queue.
        number: of the request, from 1.

    Raises:
        Refused: there is no such request, or it is not settled.
        InputError: its evidence is damaged, or a file of it is gone that was not handed over.
    """
    request, folder = store.get(number), place(store, number)
    if request.settled is None:
        raise Refused(
            "unknown",
            f"Request {number} is {request.state}; it has no evidence yet. Expected a settled one. Serve the queue "
            "with 'kit requests run'.",
        )

    def load() -> dict[str, Any]:
        content = seals.without_digest(strict_json.loads((folder / INDEX).read_bytes()), required=True)
        if content["request"]["number"] != number:
            raise ValueError(f"it is that of request {content['request']['number']}")
        for name, sha256 in content["files"].items():
            if name.startswith(RECEIPT) and not (folder / name).exists():
                continue  # handed over
            if files.sha256_of(folder / name) != sha256:
                raise ValueError(f"'{name}' does not have the sha256 that is stated")
        return dict(content)

    content: dict[str, Any] = files.checked(load, folder / INDEX, "the evidence that 'kit requests run' wrote")
    return content


def zipped(store: Store, number: int) -> bytes:
    """Returns the evidence of a request as a zip file; the same files give the same bytes.

    Args:
        store: the queue.
        number: of the request, from 1.

    Raises:
        Refused, InputError: see `read`.
    """
    read(store, number)
    stream, folder = io.BytesIO(), place(store, number)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(f"{folder.name}/{path.name}", _ZIP_TIME), path.read_bytes())
    return stream.getvalue()


def hand_over(store: Store, number: int, by: str) -> int:
    """Removes the receipts of a request, which hold the records' salts, once the person has them; returns how many.

    Args:
        store: the queue.
        number: of the request, from 1.
        by: who hands them over, for the history.

    Raises:
        Refused, InputError: see `read`.
    """
    read(store, number)
    receipts = sorted(place(store, number).glob(f"{RECEIPT}*"))
    if not receipts:
        raise InputError(
            f"Request {number} has no receipts. Expected some that are still here. They were handed over before, or "
            "the model gives none: the request's history says which (kit requests evidence)."
        )
    store.note("handed over", f"{len(receipts)} receipts of request {number}, by {by}")
    for path in receipts:
        path.unlink()
    return len(receipts)
