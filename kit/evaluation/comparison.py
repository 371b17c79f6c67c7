"""What is compared with what: members with non-members, a method's models with retrained ones, and what is doubtful."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kit.rules import RETRAIN
from kit.scorers.accuracy import correct_of_interest
from kit.scorers.membership_inference import MIN_MEMBERS, match_nonmembers
from kit.types import Challenge, Comparison, Once, Outputs, Retraining

# Test accuracies of models that were trained alike differ by less, unless much is forgotten.
TRAINED_ALIKE = 0.05


def compare(
    challenge: Challenge,
    outputs: Mapping[str, Outputs],
    name: str,
    *,
    num_models: int,
    reference: Retraining,
    once: Once | None = None,
) -> Comparison:
    """Compares a row's models with the retrained ones; of these, every other one with those between them.

    Args:
        challenge: which the models are of.
        outputs: by row, the retrained models' as `retrain`.
        name: of the row.
        num_models: models of each method: as many retrained ones stand in the row `retrain`, at most half of them.
        reference: what one retraining costs.
        once: what the rows of one table share; by default nothing.

    Returns:
        The row's models and those that they are compared with.
    """
    once = once or Once()
    unlearned, retrained = outputs[name], outputs[RETRAIN]
    alone = name == RETRAIN and retrained.num_models == 1
    if name == RETRAIN and not alone:
        everything = np.arange(retrained.num_models)
        row_models = everything[::2][: min(num_models, retrained.num_models // 2)]
        unlearned, retrained = retrained.select(row_models), retrained.select(np.setdiff1d(everything, row_models))
    return Comparison(unlearned, retrained, *once(attack_sample, challenge), reference, alone, once)


def attack_sample(challenge: Challenge) -> tuple[np.ndarray, np.ndarray, str]:
    """Chooses the examples that membership inference attacks look at.

    Non-members have the forget set's mix of classes. Where a group or the mislabelled examples are forgotten, they are
    test examples of that group, or mislabelled ones: what a retrained model cannot tell from the forget set. Where a
    whole class is forgotten, its test images are themselves within what is to be forgotten: its examples are no
    members, and without others of another class there is no attack.

    Args:
        challenge: whose split is attacked.

    Returns:
        Members, int64 indices into the forget set; as many non-members, int64 indices into the test set; and a sentence
        that says why both are empty, which is itself empty where they are not.

    Example:
        >>> import kit
        >>> members, nonmembers, reason = attack_sample(kit.load_challenge("noisy-digits"))
        >>> len(members) == len(nonmembers), reason
        (True, '')
        >>> attack_sample(kit.load_challenge(forget="class:5"))[2][:40]
        'class 5 is forgotten altogether, so that'
    """
    split, train, test, nothing = challenge.split, challenge.train, challenge.test, np.array([], np.int64)
    eligible = np.ones(len(test), bool)
    if split.kind == "group" and train.groups is not None and test.groups is not None:
        eligible = np.isin(test.groups, train.groups[split.forget])
    elif split.kind == "mislabelled" and test.mislabelled is not None:
        eligible = test.mislabelled.astype(bool)
    forget_strata = challenge.strata("forget")
    gone = np.setdiff1d(forget_strata, challenge.strata("retain"))
    if len(gone) and np.isin(forget_strata, gone).all():
        stratum = f"{challenge.task.stratum} {', '.join(map(str, gone))}"
        reason = f"{stratum} is forgotten altogether, so that no test example is a non-member of the same kind"
        return nothing, nothing, reason
    candidates = np.flatnonzero(eligible & ~np.isin(challenge.strata("test"), gone))
    members, chosen = match_nonmembers(forget_strata, challenge.strata("test")[candidates], seed=split.seed)
    if len(members) < MIN_MEMBERS:
        reason = (
            f"only {len(members)} pairs of a forget and a test example of the same kind; the attack needs {MIN_MEMBERS}"
        )
        return nothing, nothing, reason
    return members, candidates[chosen], ""


def doubts_about_original(challenge: Challenge, comparison: Comparison) -> list[str]:
    """Returns sentences about an original that knows nothing, or was trained otherwise than its reference.

    Args:
        challenge: which the models are of.
        comparison: of the original with retrained models.

    Returns:
        No sentence where nothing is doubtful.
    """
    original, retrained = comparison.unlearned, comparison.retrained
    right, task = float(original.correct["retain"].mean()), challenge.task
    sentences = []
    if right <= task.constant_accuracy(challenge.labels("retain")):
        sentences.append(
            f"it gets {right:.1%} of its own training examples right, no more than a model that {task.constant}. Is "
            "'x' scaled as the model expects it, and are the labels in its order?"
        )
    before, after = (float(correct_of_interest(outputs, "test").mean()) for outputs in (original, retrained))
    if abs(before - after) > TRAINED_ALIKE:
        sentences.append(
            f"its test accuracy is {before:.3f}, that of the retrained models {after:.3f}. Unless what is forgotten "
            "explains that, they were not trained alike, and a difference between them cannot be laid to forgetting "
            "alone. Say with a recipe (--recipe) how the original was trained."
        )
    return sentences
