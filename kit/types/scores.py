"""What a scorer compares and returns, and the report that its scores become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kit.types.cost import Retraining
from kit.types.errors import InputError, did_you_mean
from kit.types.forget import DRAWN_SPLITS, forget_form
from kit.types.frames import frame
from kit.types.from_json import damaged, read
from kit.types.once import Once
from kit.types.outputs import Outputs
from kit.types.score_info import NOISE, Direction
from kit.types.shown import html_table, number_of

if TYPE_CHECKING:
    import pandas as pd

# What a report says of itself in one line.
_SHOWN = ("retain_accuracy", "forget_accuracy", "test_accuracy", "mia_gap", "competition_score")


@dataclass(frozen=True)
class Comparison:
    """What a scorer compares: one method's outputs with those of retrained models.

    Args:
        unlearned: outputs of the method that is scored.
        retrained: outputs of models retrained without the forget set; never the scored model itself, unless `alone`.
        members: int64 indices into the forget set that the attacks use; empty where no attack is possible.
        nonmembers: int64 indices into the test set, as many as `members` and of the same class or group mix.
        attack_impossible: why the two are empty; empty text where they are not.
        reference: what one retraining costs on this machine.
        alone: whether the scored model is the only retrained one, so that there is no other to compare it with.
        once: what scores share: `once(function, retrained, ...)` is computed once for all rows of a table.

    `tests/scorers/test_scorers.py` makes one from arrays; `kit.evaluate` makes one for each row.
    """

    unlearned: Outputs
    retrained: Outputs
    members: np.ndarray
    nonmembers: np.ndarray
    attack_impossible: str
    reference: Retraining
    alone: bool = False
    once: Once = field(default_factory=Once, repr=False, compare=False)


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
        gap_stderr: one standard error of value minus target, over new trainings of the same split: both are measured
            on the same examples, whose luck is in `stderr` but not in the gap.
        gap_interval: 95 % confidence of value minus target.

    Example:
        >>> score = Score("mia_gap", 0.102, 0.016, "match_retrain", target=0.0)
        >>> print(score)
        0.102 ± 0.016
        >>> low, high = score.bounds
        >>> f"{low:.3f} {high:.3f}"
        '0.070 0.134'
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
    gap_stderr: float | None = None
    gap_interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        """The value and one standard error, or why there is no value."""
        if self.value is None:
            return f"- ({self.reason})"
        return f"{self.value:.4g}" + ("" if self.stderr is None else f" ± {self.stderr:.2g}")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The 95 % confidence interval of the value, low and high; None where its error is not known."""
        if self.value is None or self.stderr is None:
            return None if self.value is None else self.interval
        return self.interval or (self.value - NOISE * self.stderr, self.value + NOISE * self.stderr)


@dataclass(frozen=True)
class Problem:
    """A finding of one check of `kit validate`.

    Args:
        check: the check's name, a key of `kit.testing.CHECKS`.
        level: `FAIL` (the submission cannot be scored, or breaks a rule) or `WARN` (it can, but look at this).
        message: what happened, what was expected, how to fix it.

    Example:
        >>> Problem("signature", "FAIL", "The function takes two arguments. ...").level
        'FAIL'
    """

    check: str
    level: Literal["WARN", "FAIL"]
    message: str


class _UnknownScore(InputError, KeyError):
    __str__ = Exception.__str__  # a KeyError's own would put the paragraph in quotes


class _Scores(dict[str, Score]):
    """Scores by name; who asks for another one reads which there are."""

    def __missing__(self, name: str) -> Score:
        advice = did_you_mean(name, self, "See 'kit list scorers'.")
        raise _UnknownScore(f"The report has no score '{name}'. Expected one of {', '.join(self)}. {advice}")


@dataclass(frozen=True)
class Report:
    """One row of a table: a method on a challenge, its scores and all that is needed to repeat it.

    Args:
        challenge, method: names.
        seed: of the method's runs.
        num_models: of the method; num_retrained: retrained models that they are compared with.
        split: the forget set as it was asked for ("random:0.1"); split_seed: of its draw.
        split_sha256, data_sha256: hex digests of the division and of the examples.
        data_source: where the examples came from; empty for those that are computed.
        weights_sha256: hex digest of the original model's weights.
        seconds: of a call by the clock, on average; None where a stored model was not made in this run.
        reference_seconds: of one retraining in plain Keras, those of the processor, without tracing; before version 2.0
            of the scores, by the clock.
        scores: by name.
        score_version: results of the same major and minor version can be compared.
        versions: of kit, Python and libraries; machine: what else the bits depend on.
        model: its architecture's name.
        recipe: how original and retrained models are trained, batch size and seed included.
        warnings: sentences about the whole row.
        pretraining: the method whose own training the original had; empty where it was the usual one.
        facts: what the method reported of its runs, on average.
        containment: what separated the method from the process that scored it: `sandboxed` or `contained` for files,
            `in-process` for functions and built-in methods; empty where that is not known.
        cpu_seconds: of a call, tracing included, at the pace of the retraining, on average; None where nobody measured.
        tracing_seconds: of these, in the first steps of traces; None where nobody measured.
        num_originals: that the method's models start from, `num_models` being those from all of them. `weights_sha256`
            is that of the first, and `recipe` has its training seed; the others have the next ones.
        hyperparameters: of the method on the challenge, where they are not its defaults.

    Raises:
        InputError: a score stands under another name than its own.
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
    containment: str = ""
    cpu_seconds: float | None = None
    tracing_seconds: float | None = None
    num_originals: int = 1
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, score in self.scores.items():
            if score.name != name:
                raise damaged("'scores' in the report", f"has a score '{score.name}' under the key '{name}'")
        object.__setattr__(self, "scores", _Scores(self.scores))

    def __repr__(self) -> str:
        shown = [name for name in _SHOWN if self.score(name).value is not None]
        numbers = ", ".join(f"{name} {self.score(name)}" for name in shown)
        return f"<{self._title}: {numbers}>" if numbers else f"<{self._title}>"

    def _repr_html_(self) -> str:
        """Returns a table of all scores that have a value, for a notebook."""
        scores = {name: score for name, score in self.scores.items() if score.value is not None}
        targets = ["" if score.target is None else f"{score.target:.4g}" for score in scores.values()]
        rows = [(name, str(score), target) for (name, score), target in zip(scores.items(), targets, strict=True)]
        return html_table(self._title, rows, ("score", "value", "target"))

    @property
    def _title(self) -> str:
        models = f"{number_of(self.num_models, 'model')} against {self.num_retrained:,} retrained"
        return f"Report {self.method} on {self.challenge} ({self.split}), {models}"

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Report:
        """Returns the report that `to_json` was called on.

        Args:
            content: what that returned, or what `json.loads` makes of it.

        Raises:
            InputError: a key is missing, is none of a report's, or holds something of another type.

        Example:
            >>> Report.from_json({"challenge": "noisy-digits"})  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            kit.types.errors.InputError: The report has no 'data_sha256'. Expected ...
        """
        report: Report = read(content, Report, "the report")
        return report

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as plain values for `json.dumps`: a copy, in which nothing is NaN or infinite.

        A file of several reports, which `kit run` writes, is read by `kit.report.read_json`.
        """
        content = asdict(self)
        return content | {"scores": dict(content["scores"])}

    def to_frame(self) -> pd.DataFrame:
        """Returns a pandas DataFrame with a row for each score, by name.

        Returns:
            Columns `value`, `stderr`, `low` and `high` (95 % confidence), `target`, `direction` and `reason` (why there
            is no value); a missing number is NaN.

        Raises:
            InputError: pandas is not installed.
        """
        rows = []
        for name, score in self.scores.items():
            low, high = score.bounds or (None, None)
            row = {"score": name, "value": score.value, "stderr": score.stderr, "low": low, "high": high}
            rows.append(row | {"target": score.target, "direction": score.direction, "reason": score.reason})
        return frame(rows, index="score", numbers=("value", "stderr", "low", "high", "target"))

    @property
    def split_drawn(self) -> bool:
        """Whether the forget set was drawn with the split seed."""
        return forget_form(self.split)[0] in DRAWN_SPLITS

    def score(self, name: str) -> Score:
        """Returns a score; one without a value where the report, of another version perhaps, holds none of that name.

        Args:
            name: as in `ScoreInfo`.

        Returns:
            A `Score`, whose `reason` says so where its value is missing. `scores[name]` raises an error instead: a
            KeyError and an InputError, which names the scores that are like it.
        """
        missing = Score(name, None, None, "match_retrain", reason="the report does not hold it")
        return self.scores.get(name, missing)
