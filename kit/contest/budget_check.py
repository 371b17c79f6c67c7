"""What a call takes of a retraining, measured so that one busy moment of the machine decides nothing."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from kit.rules import TIME_BUDGET, TIMING_NOISE
from kit.submission.contained import Contained
from kit.submission.handover import Inputs
from kit.types import Cost, Retraining

# More retain examples than this are not trained on for a check; the time is projected from two smaller sizes.
MAX_EXAMPLES = 2_000
# Over the budget by more than so many times what is put down to noise, a busy machine does not account for it.
_MOST_NOISE = 2.0
_MOST_MEASUREMENTS = 3


def call_ratio(
    name: str, costs: Sequence[Cost], start: Callable[[int], Contained], whole: Inputs, reference: Retraining
) -> tuple[float, str]:
    """Returns the share of a retraining that a call takes, and a sentence about what was measured.

    The mean of all runs of a process counts: what one does for the next is in it. What is over the budget by no more
    than a busy machine accounts for is measured in another process as well, and in a third one where these two lead to
    different verdicts. The median counts; a third measurement could not change the verdict of two that agree.

    Args:
        name: of the challenge.
        costs: of the runs of the first process.
        start: returns a process that is handed so many retain examples at most.
        whole: what a call is handed when it is not checked.
        reference: the unit.
    """
    num_retain = len(whole.arrays["retain_y"])
    measurements = [_measured(costs, start, num_retain, reference)]
    if TIME_BUDGET < measurements[0][0] / reference.work <= _MOST_NOISE * TIME_BUDGET * TIMING_NOISE:
        while not _is_settled([work / reference.work for work, _ in measurements]):
            with start(MAX_EXAMPLES) as contained:
                repeated = [contained.run(seed).cost for seed in range(len(costs))]
            measurements.append(_measured(repeated, start, num_retain, reference))
    work, traced = (float(median) for median in np.median(measurements, axis=0))
    ratio = work / reference.work
    return ratio, (
        f"a call on {name} {'takes' if num_retain <= MAX_EXAMPLES else 'will take about'} {work:.2f} s, {ratio:.2f} of "
        f"a retraining in plain Keras ({reference.work:.2f} s; {reference.unit}, without {traced:.2f} s of tracing"
        f"{f'; the median of {len(measurements)} measurements' * (len(measurements) > 1)})"
    )


def _is_settled(ratios: Sequence[float]) -> bool:
    """Returns whether two measurements lead to the same verdict, which is then that of the median of three too."""
    verdicts = [bisect.bisect_left((TIME_BUDGET, TIME_BUDGET * TIMING_NOISE), ratio) for ratio in ratios]
    return len(set(verdicts)) < len(verdicts) or len(verdicts) == _MOST_MEASUREMENTS


def _measured(
    costs: Sequence[Cost], start: Callable[[int], Contained], num_retain: int, reference: Retraining
) -> tuple[float, float]:
    """Returns what a call takes on all retain examples, on average, and the seconds of tracing beside it."""
    work = float(np.mean([reference.work_of(cost) for cost in costs]))
    traced = float(np.mean([reference.traced_of(cost) for cost in costs]))
    if num_retain > MAX_EXAMPLES:  # a straight line through two sizes
        with start(MAX_EXAMPLES // 2) as contained:
            smaller = reference.work_of(contained.run(0).cost)
        slope = max(0.0, work - smaller) / (MAX_EXAMPLES - MAX_EXAMPLES // 2)
        work += slope * (num_retain - MAX_EXAMPLES)
    return work, traced


def reduced(inputs: Inputs, num_retain: int) -> Inputs:
    """Returns inputs with at most `num_retain` retain examples, and the other sets cut in the same proportion."""
    total = len(inputs.arrays["retain_y"])
    if total <= num_retain:
        return inputs
    generator, arrays = np.random.default_rng(0), dict[str, np.ndarray]()
    for part in ("retain", "forget", "validation"):
        size = len(inputs.arrays[f"{part}_y"])
        chosen = np.sort(generator.permutation(size)[: max(1, round(size * num_retain / total))])
        arrays |= {f"{part}_{axis}": inputs.arrays[f"{part}_{axis}"][chosen] for axis in "xy"}
    return dataclasses.replace(inputs, arrays=arrays)
