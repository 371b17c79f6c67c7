"""Can models of one form or engine be told from those of another? Two populations of each method, of other seeds.

    python -m benchmarks.same_truth [METHOD ...] [--num-models 128] [--sides xla stacked] [--record]

A side is made by TensorFlow's operations (`operations`, which is `KIT_XLA=never`), in the form that the kit chooses on
this machine (`xla`), or by `--engine stacked`; both sides of one kind are a control. `originals` are trainings on all
examples but one, `retrain` those without the forget set; by default these and all methods of the kit.

A row has the differences of accuracies and of mean losses on all parts in standard errors, and how well models are told
apart on the forget set, example by example, by U-LiRA: an AUC of 0.5 within its interval is what cannot be told apart.
Where all models of a side are the same, those of both are held against each other by the largest difference of a
confidence. Ends with 1 where a row differs by more than chance explains, of all rows together (1 in 100, Bonferroni).

`--record` has the kit hold models of one backend against retrained ones of the other where they were not told apart
(`kit.runs.same_truth`, from 128 models a side on).
"""

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import ndtri

import kit
from kit import engines, methods
from kit.machine import xla
from kit.runs import same_truth
from kit.runs.worker import Worker
from kit.scorers import ulira
from kit.types import PARTS, Comparison, Outputs, Retraining, Split

SIDES = {"operations": ("never", "serial"), "xla": ("auto", "serial"), "stacked": ("auto", "stacked")}
ORIGINALS = "originals"
# Of a confidence, between two computations of the same model: rounding, of products and of what was amplified since.
ROUNDING = 1e-2
_UNIT = Retraining(seconds=1.0, work=1.0, tracing=0.0, operations=0, passes=1.0)
_NOBODY = np.zeros(0, np.int64)

Population = Callable[[str, kit.Challenge], Outputs]


@dataclasses.dataclass(frozen=True)
class Row:
    """How one method's models of both sides differ.

    Args:
        differences: of accuracies, then of mean losses, in standard errors; NaN where no model differs from another.
        auc, margin: U-LiRA's, and half of its 95 % interval.
        largest: difference of a confidence; NaN where models differ from each other.
    """

    method: str
    differences: Sequence[float]
    auc: float = np.nan
    margin: float = np.nan
    largest: float = np.nan

    def differs(self, num_rows: int) -> bool:
        """Whether that is more than chance brings about in so many rows."""
        if not np.isnan(self.largest):
            return self.largest > ROUNDING
        most = float(ndtri(1 - 0.01 / 2 / (num_rows * (len(self.differences) + 1))))
        return max(map(abs, (*self.differences, 1.96 * (self.auc - 0.5) / self.margin))) > most

    def __str__(self) -> str:
        if not np.isnan(self.largest):
            return f"{self.method:27s}{'every model is the same; largest difference':>64s}{self.largest:9.0e}"
        values = "".join(f"{value:+8.1f}" for value in self.differences)
        return f"{self.method:27s}{values}{self.auc:9.3f} +- {self.margin:.3f}"


@contextlib.contextmanager
def side(name: str, challenge: kit.Challenge, seed: int, num_models: int) -> Iterator[Population]:
    """Gives what makes populations of a side, all in the same process."""
    form, engine_name = SIDES[name]
    os.environ[xla.VARIABLE] = form
    worker = Worker(challenge) if engine_name == "serial" else None
    with engines.start(engine_name) as engine:

        def population(method: str, of: kit.Challenge) -> Outputs:
            os.environ[xla.VARIABLE] = form
            return kit.run_population(method, of, num_models=num_models, seed=seed, engine=engine, worker=worker)

        yield population


def of_all_but_one(challenge: kit.Challenge) -> kit.Challenge:
    """The challenge with one example to forget: who retrains there trains an original."""
    first, rest = np.split(np.arange(len(challenge.train)), [1])
    return dataclasses.replace(challenge, split=Split("one example", 0, forget=first, retain=rest))


def as_split(outputs: Outputs, split: Split, wanted: Split) -> Outputs:
    """Outputs by the parts of another split of the same training set."""
    order = np.argsort(np.concatenate([split.retain, split.forget]))

    def regrouped(arrays: dict[str, np.ndarray], axis: int) -> dict[str, np.ndarray]:
        whole = np.concatenate([arrays["retain"], arrays["forget"]], axis).take(order, axis)
        parts = {part: whole.take(getattr(wanted, part), axis) for part in ("retain", "forget")}
        return {**arrays, **parts}

    return dataclasses.replace(
        outputs,
        confidences=regrouped(dict(outputs.confidences), 1),
        correct=regrouped(dict(outputs.correct), 1),
        labels=regrouped(dict(outputs.labels), 0),
        logits={},
    )


def standard_errors(one_side: np.ndarray, other_side: np.ndarray) -> float:
    """The difference of the means of two sets of models in standard errors; 0 where both are one number."""
    variance = sum(models.var(ddof=1) / len(models) for models in (one_side, other_side))
    difference = one_side.mean() - other_side.mean()
    return float(difference / np.sqrt(variance)) if difference else 0.0


def compare(method: str, sides: Sequence[Outputs]) -> Row:
    if all(np.ptp(outputs.confidences[part], axis=0).max() == 0 for outputs in sides for part in PARTS):
        apart = [np.abs(sides[0].confidences[part][0] - sides[1].confidences[part][0]).max() for part in PARTS]
        return Row(method, [], largest=float(max(apart)))
    with np.errstate(divide="ignore"):  # accuracies that never vary, and differ: infinitely many standard errors
        accuracies = [standard_errors(*(each.correct[part].mean(axis=1) for each in sides)) for part in PARTS]
        losses = [standard_errors(*(each.losses(part).mean(axis=1) for each in sides)) for part in PARTS]
    scores = ulira.score(Comparison(*sides, _NOBODY, _NOBODY, "no attack by examples here", _UNIT))
    [auc] = [score for score in scores if score.name == "ulira_auc"]
    return Row(method, [*accuracies, *losses], auc.value, 1.96 * auc.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [ORIGINALS, *(name for name in methods.built_in() if name != "original")]
    parser.add_argument("methods", nargs="*", metavar="METHOD", default=every)
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--num-models", type=int, default=128)
    parser.add_argument("--sides", nargs=2, choices=list(SIDES), default=["xla", "stacked"])
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    challenge, rows = kit.load_challenge(arguments.challenge), []
    print(f"{arguments.challenge}, {arguments.num_models} models a side: {' against '.join(arguments.sides)}")
    columns = "".join(f"{part[:6]:>8s}" for part in PARTS)
    print(f"{'in standard errors:':27s}{'accuracy':>32s}{'mean loss':>32s}")
    print(f"{'':27s}{columns}{columns}{'U-LiRA AUC':>12s}")
    whole = of_all_but_one(challenge)
    with contextlib.ExitStack() as stack:
        populations = [
            stack.enter_context(side(name, challenge, seed, arguments.num_models))
            for seed, name in enumerate(arguments.sides)
        ]
        for method in arguments.methods:
            if method == ORIGINALS:
                trained = [population("retrain", whole) for population in populations]
                outputs = [as_split(each, whole.split, challenge.split) for each in trained]
            else:
                outputs = [population(method, challenge) for population in populations]
            rows.append(compare(method, outputs))
            print(rows[-1], flush=True)
    numbers = np.abs([value for row in rows for value in row.differences])
    covered = [abs(row.auc - 0.5) <= row.margin for row in rows if not np.isnan(row.auc)]
    differing = [row.method for row in rows if row.differs(len(rows))]
    print(f"\nbeyond 1.96 standard errors: {(numbers > 1.96).mean():.1%} of {len(numbers)} (5 % by chance)", end="")
    print(f"; the largest {numbers.max():.1f}; AUC of 0.5 within the interval: {sum(covered)} of {len(covered)}")
    print(f"more than chance brings about: {', '.join(differing) or 'no row'}")
    if arguments.record:
        same_truth.record(challenge, [row.method for row in rows if row.method not in differing], arguments.num_models)
    if differing:
        sys.exit(1)


if __name__ == "__main__":
    main()
