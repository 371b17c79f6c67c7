"""A host's verdict on a pack: read with distrust, held against retrained models of secret seeds, and scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kit.contest.check_pack import check_pack
from kit.contest.outcomes import PackCheck
from kit.contest.rerun import Rerun
from kit.contest.suspicions import check_against
from kit.evaluation import evaluate_all
from kit.rules import RETRAIN
from kit.runs import oracles, originals
from kit.runs.contained import Containment
from kit.storage import seals
from kit.submission.entry import resolve
from kit.types import Challenge, Report


@dataclass(frozen=True)
class Verdict:
    """The checks of a pack, and its table; no reports where a check failed."""

    checks: tuple[PackCheck, ...]
    reports: tuple[Report, ...] = ()


def rerun_of(method: str, num_models: int, containment: Containment) -> Rerun:
    """Returns what has models of a pack made again by a name's or a file's method."""
    return Rerun(num_models, resolve(method), containment)


def judge(
    path: Path,
    challenge: Challenge,
    *,
    num_models: int | None,
    rerun: Rerun | None,
    fresh_oracle: bool,
    root: Path,
    show: Callable[[PackCheck], None],
    announce: Callable[[str], None],
) -> Verdict:
    """Checks a pack, compares its models with retrained ones, and scores them.

    Args:
        path, challenge, num_models, rerun: as in `check_pack`.
        fresh_oracle: retrain, even where retrained models come with the kit, whose seeds are public.
        root: where retrained models are kept.
        show: is told each check as soon as it is known.
        announce: is told what is being done.
    """
    shipped = None if fresh_oracle else oracles.load(challenge)
    checked = check_pack(path, challenge, num_models=num_models, retrained=shipped, rerun=rerun, announce=show)
    if checked.outputs is None or not checked.sound:
        return Verdict(checked.checks)
    result = evaluate_all(
        [],
        challenge,
        num_models=checked.outputs.num_models,
        seed=secret_seed(challenge),
        fresh_oracle=fresh_oracle,
        root=root,
        given=[checked.outputs],
        announce=announce,
    )
    checks = checked.checks
    if shipped is None and result.outputs[RETRAIN].num_models > 2:
        later = check_against(checked.outputs, result.outputs[RETRAIN])
        for outcome in later:
            show(outcome)
        checks += tuple(later)
    failed = any(outcome.status == "FAIL" for outcome in checks)
    # The seed of the host's retrained models is the host's alone.
    reports = tuple(replace(report, seed=checked.seed) for report in result.reports)
    return Verdict(checks, () if failed else reports)


def secret_seed(challenge: Challenge) -> int:
    """Returns the seed of a host's retrained models, which nobody can tell without this home's key."""
    place = f"oracle/{originals.fingerprint(challenge)}/{challenge.split.sha256}"
    return int.from_bytes(seals.code(place)[:8])
