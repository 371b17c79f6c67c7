"""What a retraining in plain Keras costs on this machine: the unit of `time_ratio`, measured once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from kit.machine import environment, quiet
from kit.rules import SCORE_VERSION
from kit.runs import originals
from kit.storage import files, seals
from kit.storage.digests import digest_of
from kit.types import Challenge, Cost, Retraining

# Which way of measuring it is: what was measured in another way is measured anew.
MEASURE = "operations as they are made, in one call"


def of_runs(costs: Sequence[Cost]) -> Retraining:
    """Returns what one retraining costs where a function of the user's retrains: the mean of what its calls have cost.

    Args:
        costs: of calls of one process, each of them measured.

    Example:
        >>> of_runs([Cost(1.0, 2.0, 0.5), Cost(3.0, 4.0, 0.5)]).tracing
        0.5
    """
    from kit.toolbox import setup

    by_the_clock = setup.has_accelerator()
    seconds, cpu, tracing, operations, yardstick = (
        float(np.mean([getattr(cost, name) for cost in costs]))
        for name in ("seconds", "cpu_seconds", "tracing", "operations", "yardstick")
    )
    work = max((seconds if by_the_clock else cpu) - tracing, 0.0)
    return Retraining(seconds, work, tracing, round(operations), math.nan, by_the_clock, yardstick)


def reference(challenge: Challenge, check: Callable[[], object] | None = None) -> Retraining:
    """Returns what one retraining in plain Keras costs on this machine: `compile` and `fit`.

    Measured once and cached under `$KIT_HOME`; of a long one, the first 20 seconds are measured and the steps that are
    left counted. The competition's time budget of 0.2 is a share of it.

    Args:
        challenge: its recipe and retain set.
        check: is called before anything is measured: what it refuses costs nobody these seconds.
    """
    fixed = [originals.fingerprint(challenge), challenge.precision, len(challenge.split.retain), SCORE_VERSION, MEASURE]
    digest = digest_of([*fixed, environment.versions(), environment.machine()])
    path = files.cache_folder() / "reference" / f"{challenge.name}-{digest[:16]}.json"
    place = f"reference/{path.name}"
    if (measured_before := seals.read_json(path, place)) is not None:
        return Retraining(**measured_before["retraining"])
    files.require_cache()
    quiet.load_tensorflow()
    if check is not None:
        check()
    from kit.runs import plain_keras

    retraining, measured = plain_keras.time_retraining(challenge)
    known = {name: value for name, value in asdict(retraining).items() if not math.isnan(value)}
    content = {"retraining": known, "measured_share": measured, "challenge": challenge.name}
    seals.write_json(path, place, content)
    return retraining
