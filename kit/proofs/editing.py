"""Methods that edit a model with the forgotten records in hand: certified as stated, and never executed again.

What such a method gives is not the model that would have been: of a certified one the guarantee is stated, of an
approximate one the digest of a report that says how near it came.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from kit import methods, models
from kit.methods import _facts
from kit.proofs import classes, trail, trainings
from kit.proofs.classes import APPROXIMATE, CERTIFIED, SISA
from kit.proofs.states import Trained
from kit.proofs.trainings import Segments
from kit.rules import ORIGINAL, RETRAIN
from kit.runs import pretraining
from kit.runs.originals import Pretrained
from kit.runs.run import run_once
from kit.runs.settings import of_pretraining
from kit.runs.worker import Worker
from kit.storage import files
from kit.submission.entry import Entry
from kit.toolbox import facts, seeding
from kit.toolbox.examples import Selection
from kit.types import Arrays, Challenge, InputError, Split

if TYPE_CHECKING:
    from kit.proofs.trail import Trail


def require_beginning(method: str) -> None:
    """Checks that a certified training can be a method's.

    Args:
        method: a method's name.

    Raises:
        InputError: the method begins with the plain training.
    """
    if method != RETRAIN and not methods.trains_its_own(method):
        own = [name for name in methods.built_in() if methods.trains_its_own(name)]
        raise InputError(
            f"'{method}' has no training of the original of its own. Expected 'retrain', the plain training, or one of "
            f"{', '.join(own)} to begin with. Begin without --method, and name it when records are to be forgotten."
        )


def require_possible(method: str, began: str, report: Path | None, challenge: Challenge) -> None:
    """Checks that a method can delete from a model that another one trained.

    `retrain` always can, and `sisa` where a certified method trained: its shards are trained anew then.

    Args:
        method: that deletes.
        began: whose training the model has.
        report: the kit's report of an approximate method.
        challenge: with the forget set.

    Raises:
        InputError: the two do not fit, or the report is missing, or of another forget set or method.
    """
    own = began if methods.trains_its_own(began) else ""
    anew = method == RETRAIN or (method == SISA and classes.class_of(began) == CERTIFIED)
    if method == ORIGINAL or (not anew and (method if methods.trains_its_own(method) else "") != own):
        expected = own or "retrain, or a method that edits the plainly trained model"
        raise InputError(
            f"'{method}' cannot forget for a model that was trained by '{began}'. Expected {expected}. Choose it with "
            "--method; 'retrain' always can."
        )
    if classes.class_of(method) != APPROXIMATE:
        return
    if report is None:
        raise InputError(
            f"'{method}' is approximate, and no report says how near it comes. Expected the kit's report of this "
            f"method and forget set. Make one with 'kit evaluate {method} ... --json FILE', and name it with --report."
        )
    from kit import reports

    read = reports.read_json(report).reports
    if not any(row.method == method and row.split_sha256 == challenge.split.sha256 for row in read):
        raise InputError(
            f"The report '{report}' has no row of '{method}' for this forget set ({challenge.split.sha256[:16]}...). "
            "Expected one, with the same challenge and --forget. Evaluate the method on it."
        )


def guarantee(method: str, challenge: Challenge, kept: Path, report: Path | None) -> dict[str, str]:
    """Returns what a certificate says of a method beside its class, as texts.

    Args:
        method: that has deleted.
        challenge: with its hyper-parameters.
        kept: the folder of what the method keeps, with its facts.
        report: of an approximate method, the kit's report.

    Returns:
        `epsilon` and `delta` of a certified method, `report` (sha256) of an approximate one, nothing of an exact
        one.
    """
    kind = classes.class_of(method)
    if kind == CERTIFIED:
        given = {**_facts.hyperparameters(method), **challenge.hyperparameters.get(method, {})}
        recorded = {**given, **facts.read(kept)}
        return {name: repr(float(recorded[name])) for name in ("epsilon", "delta")}
    return {"report": files.sha256_of(report)} if kind == APPROXIMATE and report is not None else {}


def trained(method: str, challenge: Challenge, records: Arrays, seed: int, place: Path) -> Segments:
    """Trains as a method does that has a training of its own, and keeps what it keeps.

    Args:
        method: that has a training of its own.
        challenge: its model and recipe.
        records: what is learnt, in the order of their leaves.
        seed: of the training.
        place: folder of the training, with the empty folder `kept` in it.

    Returns:
        The weights, without states.
    """
    base, alone = pretraining.new_base(challenge), trainings.alone(challenge, records)
    function = methods.module(method).pretraining
    net = function(alone, seed, place / trail.KEPT, base, **of_pretraining(method, challenge))
    files.write_json(place / trail.MODEL, keras.saving.serialize_keras_object(net))
    return _without_states(net.get_weights())


def edited(method: str, challenge: Challenge, records: Arrays, *, seed: int, old: Trail, place: Path) -> Segments:
    """Runs a method on the certified model, with the forgotten records.

    Args:
        method: its name.
        challenge: with the forget set.
        records: what stays, in the order of their leaves.
        seed: of the run.
        old: the certified model.
        place: of the new one.
    """
    forget = challenge.train.take(challenge.split.forget)
    together = Arrays(
        np.concatenate([records.x, forget.x]), np.concatenate([records.y, forget.y]), classes=records.classes
    )
    split = Split(challenge.split.name, 0, np.arange(len(records), len(together)), np.arange(len(records)))
    challenge = replace(challenge, train=together, split=split)
    run = _edited_as_kept if methods.trains_its_own(method) else _edited
    return _without_states(run(method, challenge, seed, old, place))


def _edited(method: str, challenge: Challenge, seed: int, old: Trail, _: Path) -> list[np.ndarray]:
    original = Pretrained(old.weights(), old.check_weights(), old.path / trail.WEIGHTS, challenge.model)
    unlearned = run_once(Entry(method), challenge, Worker(challenge, original), seed=seed)
    weights: list[np.ndarray] = unlearned.net.get_weights()
    return weights


def _edited_as_kept(method: str, challenge: Challenge, seed: int, old: Trail, place: Path) -> list[np.ndarray]:
    """Calls a method that has trained the original, on a copy of what it has kept, which it may change."""
    shutil.copytree(old.kept(), place / trail.KEPT)
    shutil.copyfile(old.path / trail.MODEL, place / trail.MODEL)
    net = models.build_described((place / trail.MODEL).read_text())
    net.set_weights(old.weights())
    parts = (
        (challenge.train, challenge.split.retain),
        (challenge.train, challenge.split.forget),
        (challenge.validation, np.arange(len(challenge.validation))),
    )
    retain, forget, validation = (Selection(*part).batches(challenge.batch_size) for part in parts)
    seeding.set_random_seed(seed, keep_compiled=True)
    net = methods.get(method)(net, retain, forget, validation, folder=place / trail.KEPT)
    weights: list[np.ndarray] = net.get_weights()
    return weights


def _without_states(weights: list[np.ndarray]) -> Segments:
    return Segments((), (), {}, Trained(np.empty((0, 1), np.uint8), weights))
