"""On which copy of a published data set the weights in use were trained, and whether it is the one at hand.

Weights of a published data set are tied to its name and labels (`originals.fingerprint`): copies that differ in a few
images get the same original. What such an original has memorised, it has memorised of its own copy's images.
"""

from __future__ import annotations

from typing import Any

from kit.runs import originals
from kit.runs.originals import Pretrained
from kit.types import Challenge


def doubt(challenge: Challenge, original: Pretrained) -> str:
    """Returns a paragraph where the original was trained on other images than those at hand; "" where it was not.

    Args:
        challenge: with the images at hand.
        original: in use; one whose record has no digest of its examples is not doubted.

    Example:
        >>> import kit
        >>> challenge = kit.load_challenge("noisy-digits")  # of no published data set: every image counts there
        >>> doubt(challenge, originals.load(challenge))
        ''
    """
    if not challenge.published:
        return ""
    trained_on = _record(challenge, original).get("data_sha256", challenge.data_sha256)
    if trained_on == challenge.data_sha256:
        return ""
    return (
        f"The images at hand are not all those that the original was trained on: it knows another copy of "
        f"{challenge.published} (sha256 of its examples {trained_on[:16]}..., here {challenge.data_sha256[:16]}...), "
        "with the same labels. Losses and attacks on single forget examples whose images differ say nothing. Expected "
        "the copy that the model card names. To rely on single examples, give your copy as a file, --challenge "
        "FILE.npz: the kit trains its original on it."
    )


def _record(challenge: Challenge, original: Pretrained) -> dict[str, Any]:
    """Returns what was written down when these weights were trained; nothing of a user's."""
    shipped = originals.registry().get(challenge.name, {})
    if shipped.get("sha256") == original.sha256:
        return shipped
    if not original.path.name or not original.path.with_suffix(".json").is_file():
        return {}
    return originals.read_record(original.path, "Delete it, and the kit trains the model again.")
