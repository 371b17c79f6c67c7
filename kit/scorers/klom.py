"""KLoM: the divergence between the distributions of an example's margin over unlearned and over retrained models."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kit.scorers._resampling import NUM_GROUPS, balanced_halves, halves, interval_of, too_few_models
from kit.scorers._threads import blocks, in_threads
from kit.types import Comparison, Outputs, Score, ScoreInfo

SCORES = tuple(
    ScoreInfo(
        f"klom_{part}",
        "match_retrain",
        f"divergence of margins from the retrained models', reached by 95 % of the {name} (KLoM, nats, at most 11.51)",
        heading=f"KLoM\n{part}",
        table="distances",
        column=column,
    )
    for column, (part, name) in enumerate(
        (("forget", "forget set"), ("retain", "retain set"), ("test", "test set")), start=1
    )
)
NUM_BINS = 20
# With fewer nearly all histograms are disjoint in places, and all values near 11.51. With more, the halves of a
# population are compared as well as the papers' 100 models, and rows with and without a shipped oracle stay alike.
FEWEST_MODELS, MOST_MODELS = 64, 256
CLIP = 100.0
# Of the retrained models' share in a bin that holds unlearned ones.
FLOOR = 1e-5
PERCENTILE = 95.0
# Confidences that a thread bins at a time: few enough for a processor's cache.
_CHUNK = 50_000


def klom(unlearned: np.ndarray, retrained: np.ndarray, *, num_bins: int = NUM_BINS, clip: float = CLIP) -> np.ndarray:
    """Returns for each example KL(unlearned || retrained) of its margins' histograms over models, in nats.

    The histograms share `num_bins` bins of equal width between the smallest and the largest margin of either side; the
    retrained models' share is raised to 1e-5 where unlearned models are. The measure is not symmetric. It depends on
    the number of models: two populations of the same kind do not reach 0, and the fewer models the farther off it.

    Args:
        unlearned: margins, logit of the label minus log-sum-exp of the others, (models, examples); as
            `Outputs.confidences` has them.
        retrained: the same of retrained models, of the same examples in the same order.
        num_bins: number of bins.
        clip: margins are clipped to plus or minus that.

    Returns:
        float64 (examples,), 0 to log(1e5) = 11.51.

    Raises:
        ValueError: other examples on either side, no models, or fewer than one bin.

    Source: easydub/EasyDUB-code, eval.py (arXiv 2602.16400); Georgiev et al., arXiv 2410.23232. Differs from it: the
    largest margin counts in the last bin, where it falls out of the histogram there.

    Example:
        >>> retrained = np.array([[0.0, 0.0], [1.0, 1.0]])
        >>> klom(retrained + np.array([0.0, 50.0]), retrained).round(2).tolist()
        [0.0, 11.51]
    """
    unlearned, retrained = np.asarray(unlearned), np.asarray(retrained)
    shapes = unlearned.shape, retrained.shape
    if any(len(shape) != 2 or 0 in shape for shape in shapes) or shapes[0][1] != shapes[1][1] or num_bins < 1:
        raise ValueError(
            f"The margins of unlearned and retrained models have shapes {shapes[0]} and {shapes[1]}, for {num_bins} "
            "bins. Expected (models, examples) of the same examples, in one order, a model and a bin at least. Pass "
            "confidences of one part of the data."
        )
    everyone = [np.ones((1, len(side)), bool) for side in (unlearned, retrained)]
    divergences: np.ndarray = _klom_of_samples(unlearned, retrained, *everyone, num_bins=num_bins, clip=clip)[0]
    return divergences


def klom_percentile(unlearned: np.ndarray, retrained: np.ndarray, *, percentile: float = PERCENTILE) -> float:
    """Returns a percentile over examples of `klom`, interpolated linearly.

    Args:
        unlearned, retrained: margins (models, examples), as for `klom`.
        percentile: in [0, 100]; 95 is what papers report.

    Returns:
        A float, 0 to log(1e5) = 11.51 nats.

    Example:
        >>> klom_percentile(np.zeros((4, 10)), np.zeros((4, 10)))
        0.0
    """
    return float(np.percentile(klom(unlearned, retrained), percentile))


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares, like for like with their targets.

    Of either side the first n models are cut in halves. Value: the percentile of the unlearned models of one half
    against the retrained of the other, mean of both ways. Target: the same with the retrained models in the place of
    the unlearned. So all divergences are between n / 2 and n / 2 models, with more noise than numbers in papers, which
    are between n and n; n is at most 256.

    Standard errors over models, of the same examples: a value is the mean of two ways that no model has part in both
    of, so that half of their difference varies as it does, and its mean square over many cuts is the variance; in bins
    shared by all. The gap's adds that of the target, with which the value hardly varies.
    """
    sides = comparison.unlearned, comparison.retrained
    reason = too_few_models(*(side.num_models for side in sides), fewest=FEWEST_MODELS)
    number = min(MOST_MODELS, *(side.num_models for side in sides))
    scores = []
    for info in SCORES:
        if reason:
            scores.append(Score(info.name, None, None, info.direction, reason=reason))
            continue
        part = info.name.removeprefix("klom_")
        unlearned, retrained = (side.confidences[part][:number] for side in sides)
        target, of_target = comparison.once(_target, comparison.retrained, part, number)
        value, stderr = _mean_of_both_ways(unlearned, retrained), stderr_of_two_ways(unlearned, retrained)
        gap_stderr = float(np.hypot(stderr, of_target))
        interval, gap_interval = (
            interval_of(middle, error, NUM_GROUPS - 1)
            for middle, error in ((value, stderr), (value - target, gap_stderr))
        )
        score = Score(info.name, value, stderr, info.direction, target, interval=interval)
        scores.append(replace(score, gap_stderr=gap_stderr, gap_interval=gap_interval))
    return scores


def stderr_of_two_ways(unlearned: np.ndarray, retrained: np.ndarray) -> float:
    """Returns the standard error of the mean of both ways between halves, from cuts that are balanced.

    Args:
        unlearned, retrained: margins (models, examples), as many models on either side.
    """
    first = balanced_halves(len(unlearned))
    within = first.any(axis=0)  # the few that are left over are in no half
    ways = np.percentile(_klom_of_samples(unlearned, retrained, first, ~first & within), PERCENTILE, axis=1)
    # Each cut comes with its complement, which is the other way.
    differences = (ways[: len(ways) // 2] - ways[len(ways) // 2 :]) / 2
    return float(np.sqrt((differences**2).mean()))


def _target(retrained: Outputs, part: str, number: int) -> tuple[float, float]:
    confidences = retrained.confidences[part][:number]
    return _mean_of_both_ways(confidences, confidences), stderr_of_two_ways(confidences, confidences)


def _mean_of_both_ways(unlearned: np.ndarray, retrained: np.ndarray) -> float:
    first, second = halves(len(unlearned))
    ways = klom_percentile(unlearned[first], retrained[second]), klom_percentile(unlearned[second], retrained[first])
    return sum(ways) / 2


def _klom_of_samples(
    unlearned: np.ndarray,
    retrained: np.ndarray,
    unlearned_samples: np.ndarray,
    retrained_samples: np.ndarray,
    *,
    num_bins: int = NUM_BINS,
    clip: float = CLIP,
) -> np.ndarray:
    """KLoM of several samples of models, (samples, examples), in bins shared by all models; samples are of booleans."""
    patterns = [_Patterns.of(samples) for samples in (unlearned_samples, retrained_samples)]

    def of_examples(part: slice) -> np.ndarray:
        sides = [np.clip(side[:, part].astype(np.float64), -clip, clip) for side in (unlearned, retrained)]
        low = np.minimum(*(side.min(axis=0) for side in sides))
        high = np.maximum(*(side.max(axis=0) for side in sides))
        scale = num_bins / np.where(high > low, high - low, 1.0)
        bins = [np.minimum(((side - low) * scale).astype(np.int64), num_bins - 1) for side in sides]
        return _divergence(*(kind.shares(side, num_bins) for kind, side in zip(patterns, bins, strict=True)))

    width = _CHUNK // max(len(unlearned), len(retrained))
    return np.concatenate(in_threads(of_examples, blocks(unlearned.shape[1], width)), axis=1)


@dataclass(frozen=True)
class _Patterns:
    """Samples of models; models that are in the same ones are counted together, and only these counts are added up.

    Args:
        samples: which kinds of models are in which sample, float64 0 or 1, (samples, kinds).
        kind: of each model, int64 (models,).
        sizes: of the samples, (samples, 1).
    """

    samples: np.ndarray
    kind: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, samples: np.ndarray) -> _Patterns:
        """Finds the kinds of models in samples of booleans, (samples, models)."""
        patterns, kind = np.unique(samples, axis=1, return_inverse=True)
        return cls(patterns.astype(np.float64), kind.reshape(-1), samples.sum(axis=1, keepdims=True))

    def shares(self, bins: np.ndarray, num_bins: int) -> np.ndarray:
        """Share of each sample's models in each bin, (samples, examples, bins), from that of each (model, example)."""
        num_kinds, examples = self.samples.shape[1], bins.shape[1]
        where = (self.kind[:, np.newaxis] * examples + np.arange(examples)) * num_bins + bins
        counts = np.bincount(where.ravel(), minlength=num_kinds * examples * num_bins).reshape(num_kinds, -1)
        shares: np.ndarray = np.einsum("sk,kb->sb", self.samples, counts.astype(np.float64)) / self.sizes
        return shares.reshape(len(self.samples), examples, num_bins)


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p || q) over the last axis in nats, with q raised to `FLOOR` where p is; not below 0 by the raised shares."""
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0) / np.maximum(q, FLOOR)), 0.0)
    divergence: np.ndarray = np.maximum(terms.sum(axis=-1), 0.0)
    return divergence
