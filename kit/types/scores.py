"""What a scorer compares and returns, and the report that its scores become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kit.rules import DRAWN_SPLITS
from kit.types.outputs import Outputs
from kit.types.problem import forget_form

Direction = Literal["up", "down", "match_retrain"]


@dataclass(frozen=True)
class Comparison:
    """What a scorer compares: one method's outputs with those of retrained models.

    Args:
        unlearned: outputs of the method that is scored.
        retrained: outputs of models retrained without the forget set; never the scored model itself, unless `alone`.
        members: int64 indices into the forget set that the attacks use; empty where no attack is possible.
        nonmembers: int64 indices into the test set, as many as `members` and of the same class or group mix.
        attack_impossible: why the two are empty; empty text where they are not.
        reference_seconds: duration of one retraining in plain Keras on this machine.
        alone: whether the scored model is the only retrained one, so that there is no other to compare it with.
    """

    unlearned: Outputs
    retrained: Outputs
    members: np.ndarray
    nonmembers: np.ndarray
    attack_impossible: str
    reference_seconds: float
    alone: bool = False


@dataclass(frozen=True)
class ScoreInfo:
    """A score's name, which way is better, and one line that tells a newcomer what it says.

    `relative`: it is a distance to the retrained models, and says nothing of them.
    """

    name: str
    direction: Direction
    explanation: str
    relative: bool = False


@dataclass(frozen=True)
class Score:
    """One number with its uncertainty.

    Args:
        name: as in `ScoreInfo`.
        value: None where it cannot be computed; `reason` says why.
        stderr: one standard error; None where a single measurement gives none.
        direction: `up`, `down` or `match_retrain`.
        target: for `match_retrain`, the retrained models' mean (for a gap: 0).
        null_band: 95 % of the values that the attack gives on this sample when there is nothing to find.
        reason: why the value is None.
        interval: 95 % confidence, where it is not the value with two standard errors on either side.
        warnings: sentences for whoever reads the value.
    """

    name: str
    value: float | None
    stderr: float | None
    direction: Direction
    target: float | None = None
    null_band: tuple[float, float] | None = None
    reason: str = ""
    interval: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """What a check of `kit validate` has found.

    Args:
        check: the check's name.
        level: `FAIL` (the submission cannot be scored, or breaks a rule) or `WARN` (it can, but look at this).
        message: what happened, what was expected, how to fix it.
    """

    check: str
    level: Literal["WARN", "FAIL"]
    message: str


@dataclass(frozen=True)
class Report:
    """One row of a table: a method on a challenge, its scores and all that is needed to repeat it.

    `recipe` is how original and retrained models are trained, batch size and seed included; `pretraining` the method
    whose own training that was, if one has its own; `facts` what the method told of its runs, on average; `warnings`
    are sentences about the whole row.
    """

    challenge: str
    method: str
    seed: int
    num_models: int
    num_retrained: int
    split: str
    split_seed: int
    split_sha256: str
    data_sha256: str
    data_source: str
    weights_sha256: str
    seconds: float | None
    reference_seconds: float
    scores: Mapping[str, Score]
    score_version: str
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    model: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    pretraining: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)

    @property
    def split_drawn(self) -> bool:
        """Whether the forget set was drawn with the split seed."""
        return forget_form(self.split)[0] in DRAWN_SPLITS
