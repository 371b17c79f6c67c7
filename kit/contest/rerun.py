"""A host makes some models of a pack again: are they the same to the bit, and how long does one take here?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.contest.outcomes import PackCheck
from kit.machine import environment
from kit.rules import MANY_TRACES, TIME_BUDGET, TIMING_NOISE
from kit.runs import timing
from kit.runs.contained import Containment
from kit.runs.run import weights_of_runs
from kit.runs.seeds import run_seed
from kit.runs.worker import Worker
from kit.storage import seals
from kit.submission.entry import Entry
from kit.types import Cost, Retraining


@dataclass(frozen=True)
class Rerun:
    """What a host asks for: how many models are made again, by which method, and contained how."""

    num_models: int
    entry: Entry
    containment: Containment | None = None


def chosen(num_models: int, count: int, pack_sha256: str) -> list[int]:
    """Returns which models are made again: the same ones each time, that nobody can tell without this home's key."""
    generator = np.random.default_rng(list(seals.code(f"rerun/{pack_sha256}")))
    return sorted(generator.choice(count, size=min(num_models, count), replace=False).tolist())


def check(
    rerun: Rerun, manifest: Mapping[str, Any], models: Mapping[int, Sequence[np.ndarray]], worker: Worker
) -> tuple[list[PackCheck], float | None]:
    """Makes models again and compares them; returns the checks, and the seconds of a call measured here.

    Args:
        rerun: what was asked for.
        manifest: the pack's.
        models: the weights of the chosen models as the pack has them, by number.
        worker: made for the method.

    Raises:
        FailedRun: the method broke its contract.
    """
    problem = _problem(rerun.entry, manifest)
    if problem:
        return [PackCheck("rerun", "FAIL", problem)], None
    same, costs = 0, []
    with weights_of_runs(rerun.entry, worker, rerun.containment) as run_once:
        for number, packed in models.items():
            model = run_once(manifest["seeds"][number], None)
            costs.append(model.cost)
            stored = [np.asarray(array).astype(like.dtype) for array, like in zip(model.weights, packed, strict=True)]
            same += all(map(_same_bits, stored, packed))
    time = _time(costs, timing.reference(worker.challenge))
    return [_bits(same, len(models), manifest), time], float(np.mean([c.seconds for c in costs]))


def _same_bits(array: np.ndarray, other: np.ndarray) -> bool:
    return array.shape == other.shape and array.tobytes() == np.asarray(other).tobytes()  # 0 and -0 are two


def _problem(entry: Entry, manifest: Mapping[str, Any]) -> str:
    """Returns why the pack cannot be of this method's runs, nothing where it can."""
    if entry.as_source().sha256 != manifest["method_sha256"]:
        return (
            f"The pack was made by another file than '{entry.name}': their sha256 differ. Expected the method that was "
            "packed. Give that one with --method."
        )
    seeds = [run_seed(manifest["seed"], entry.name, number) for number in range(manifest["num_models"])]
    if manifest["seeds"] != seeds:
        return (
            f"Its seeds are not those of a population with the seed {manifest['seed']}. Expected each run's own, so "
            "that nobody chooses among them. Pack again."
        )
    return ""


def _bits(same: int, count: int, manifest: Mapping[str, Any]) -> PackCheck:
    if same == count:
        return PackCheck("rerun", "PASS", f"{count} models, made again from their seeds, are the same to the bit")
    here = {**environment.versions(), **environment.machine()}
    there = {**manifest["machine"], **manifest["versions"]}
    other = sorted(name for name, value in here.items() if there.get(name) != value)
    difference = f"{count - same} of {count} models, made again from their seeds, have other weights"
    if other:
        advice = "Expected the same bits on the same machine and versions alone. Rerun there to be sure."
        return PackCheck("rerun", "WARN", f"{difference}; it was packed with another {', '.join(other)}. {advice}")
    return PackCheck(
        "rerun",
        "FAIL",
        f"{difference} on the same kind of machine. Expected the method's own models. Do not accept the pack.",
    )


def _time(costs: Sequence[Cost], reference: Retraining) -> PackCheck:
    """Returns the check of what a call takes: passes where they are counted, else time without what was traced.

    What was traced only the process of the call can tell: how much of it was believed is said, and much is a suspicion.
    """
    passes, traces, whole = float(np.mean([cost.passes for cost in costs])), 0.0, 0.0
    if np.isnan(passes):
        ratio = float(np.mean([reference.work_of(cost) for cost in costs])) / reference.work
        whole = float(np.mean([reference.whole_of(cost) for cost in costs])) / reference.work
        traces = float(np.mean([reference.traced_of(cost) for cost in costs])) / max(reference.tracing, 1e-9)
    else:
        ratio = passes / reference.passes
    believed = f", and {whole:.2f} with the tracing that its process tells of ({traces:.1f} first steps)" * (traces > 0)
    measurement = f"a call takes {ratio:.2f} of a retraining, measured here in {len(costs)} runs{believed}"
    if ratio > TIME_BUDGET * TIMING_NOISE:
        return PackCheck(
            "time",
            "FAIL",
            f"{measurement}: as long as if each model were trained anew. Expected {TIME_BUDGET} at most. Have the "
            "method do less, or leave retraining to the reference.",
        )
    if traces > MANY_TRACES:
        return PackCheck(
            "time",
            "WARN",
            f"{measurement}. Expected {MANY_TRACES} at most: a process that changes the kit can tell of tracing where "
            "it trains. Look in the file for what compiles so often, and for whatever touches the kit.",
        )
    return PackCheck("time", "PASS", measurement)
