"""Whether an unlearned model still works, which is looked at before anything is said of what it has forgotten."""

from __future__ import annotations

from kit.rules import HARM, LANDMARKS, NOISE
from kit.types import Report

# What the model is to know: the retain set, and examples that a method may look at. The test set stays for the end.
_PARTS = ("retain", "validation")


def lost(report: Report) -> dict[str, tuple[float, float]]:
    """Returns where a method's models have lost accuracy: part -> (their accuracy, that of retrained models).

    A loss counts that is outside the noise and larger than `kit.rules.HARM`. What a method can lose is what retrained
    models have: the landmarks lose nothing.
    """
    losses = {}
    for part in _PARTS if report.method not in LANDMARKS else ():
        score = report.score(f"{part}_accuracy")
        if score.value is None or score.target is None:
            continue
        if score.target - score.value > max(HARM, NOISE * (score.gap_stderr or 0.0)):
            losses[part] = score.value, score.target
    return losses


def sentence(report: Report) -> str:
    """Returns what was lost, in words that go on after "the model"; an empty text where nothing was."""
    losses = [f"{value:.3f} on {part}, theirs {target:.3f}" for part, (value, target) in lost(report).items()]
    return f"works less well than retrained ones (accuracy {'; '.join(losses)})" if losses else ""
