"""The end of a deletion, which follows from its line in the log: whoever comes after a kill brings it there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kit.proofs import certificate as certificates
from kit.proofs import log as logs
from kit.proofs.certificate import DELETION, Certificate, Deletion
from kit.proofs.salts import Salts
from kit.proofs.signatures import Verifier
from kit.proofs.trail import RECEIPTS, Trail
from kit.storage import durable, files


def finished(folder: Path, verifier: Verifier) -> Certificate | None:
    """Writes the certificate of the last deletion, erases its salts, and removes models that know the records.

    What is done already is left as it is, so that it may be called at any time.

    Args:
        folder: of the trail.
        verifier: of its log.

    Returns:
        The certificate; None where nothing was deleted.

    Raises:
        Rejected: the log, or a file beside it, is damaged.
        CannotWrite: the disk is full, for instance.
    """
    trail = Trail.read(folder, verifier)
    line = trail.log.last(DELETION)
    if line is None:
        return None
    deletion = Deletion.from_json(line[1].predicate)
    leaves = trail.leaves()
    certificate = Certificate(line[1], deletion, tuple(leaves.absence(leaf) for leaf in deletion.deleted))
    content, path = certificate.to_bytes(), folder / certificates.NAME
    if not path.is_file() or path.read_bytes() != content:
        with files.atomic_write(path) as stream:
            stream.write(content)
    _erase_salts(trail, deletion)
    for path in folder.glob("training-*"):
        if path != trail.path:  # earlier ones, and what a process left that was killed before its line was in the log
            files.remove(path)
    return certificate


def _erase_salts(trail: Trail, deletion: Deletion) -> None:
    """Erases them once all that stands in for them is on the disk: no power cut may leave a trail without both."""
    salts, deleted = Salts.read(trail.folder), {*deletion.deleted}
    rows = np.flatnonzero([leaf.tobytes() in deleted for leaf in salts.leaves])
    if not len(rows):
        return
    try:
        durable.sync_tree(trail.path)
        durable.sync_tree(trail.folder / RECEIPTS)
        durable.sync_files(trail.folder / logs.NAME, trail.folder / certificates.NAME)
        durable.sync_folder(trail.folder)
    except OSError as error:
        raise files.cannot_write(trail.folder, error) from error
    salts.without(rows).write(trail.folder)
