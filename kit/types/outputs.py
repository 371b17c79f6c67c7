"""What models say of each example: the only input of the scorers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kit.types.arrays import read_only
from kit.types.cost import Cost
from kit.types.shown import counted, html_table, number_of

PARTS = ("retain", "forget", "validation", "test")
# Of so many models of a population the logits are kept, for the scores that need all classes' probabilities.
NUM_WITH_LOGITS = 16


@dataclass(frozen=True)
class ModelOutputs:
    """What one model predicts for each example, by part (`retain`, `forget`, `validation`, `test`).

    Args:
        confidences: float32 (examples,): the logit-scaled confidence log p - log(1 - p) of the label, unclipped. The
            loss follows from it, log(1 + exp(-confidence)).
        correct: booleans (examples,): whether the largest logit is the label.
        logits: float32 (examples, classes), or none: only the first `NUM_WITH_LOGITS` models of a population keep them.
        by_output: of a model with several outputs, `losses` and what is `correct` of each, (test examples, outputs).

    Example:
        >>> outputs = ModelOutputs.of_logits({"test": np.array([[2.0, 0.0]])}, {"test": np.array([0])})
        >>> outputs
        <ModelOutputs: 1 test examples>
    """

    confidences: Mapping[str, np.ndarray]
    correct: Mapping[str, np.ndarray]
    logits: Mapping[str, np.ndarray]
    by_output: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = {part: len(correct) for part, correct in self.correct.items()}
        return f"<ModelOutputs: {counted(sizes)} examples>"

    @staticmethod
    def of_logits(logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> ModelOutputs:
        """Returns the outputs of a model from its logits.

        Args:
            logits: part -> (examples, classes).
            labels: part -> integers (examples,).

        Example:
            >>> outputs = ModelOutputs.of_logits({"test": np.array([[2.0, 0.0]] * 2)}, {"test": np.array([0, 1])})
            >>> outputs.confidences["test"].tolist(), outputs.correct["test"].tolist()
            ([2.0, -2.0], [True, False])
        """
        return ModelOutputs(
            {part: confidences(logits[part], labels[part]) for part in logits},
            {part: np.asarray(logits[part]).argmax(axis=-1) == labels[part] for part in logits},
            {part: np.asarray(logits[part], np.float32) for part in logits},
        )


def confidences(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the logit-scaled confidence log p - log(1 - p) of each label.

    Computed as the label's logit minus the log-sum-exp of the others, in float64, so that it stays exact where p is
    rounded to 0 or 1. The 2023 competition's code clips p instead.

    Args:
        logits: (..., examples, classes).
        labels: integers (examples,), 0 .. classes - 1.

    Returns:
        float32 (..., examples), finite; with a single class, the largest float32.

    Source: Carlini et al., Membership inference attacks from first principles, S&P 2022 (section IV, stable form).

    Example:
        >>> confidences(np.array([[2.0, 0.0], [100.0, 0.0]]), np.array([0, 1])).tolist()
        [2.0, -100.0]
    """
    logits = np.array(logits, np.float64)
    where = np.asarray(labels)[:, np.newaxis]
    at_label = np.take_along_axis(logits, where, axis=-1)[..., 0]
    np.put_along_axis(logits, where, -np.inf, axis=-1)
    largest = logits.max(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):  # of one class only, nothing is left: certainty
        others = largest + np.log(np.exp(logits - largest[..., np.newaxis]).sum(axis=-1))
    difference = at_label - np.where(np.isnan(others), -np.inf, others)
    limit = np.finfo(np.float32).max
    clipped: np.ndarray = np.clip(difference, -limit, limit).astype(np.float32)
    return clipped


@dataclass(frozen=True)
class Outputs:
    """The predictions of N runs of one method: the only input of the scorers.

    Args:
        method: name of the method.
        confidences: part (`retain`, `forget`, `validation`, `test`) -> float32 of shape (models, examples), as in
            `ModelOutputs`.
        correct: part -> booleans of shape (models, examples).
        labels: part -> int32 of shape (examples,).
        seconds: float64 (models,): duration of each call of the method by the clock; NaN for a stored model.
        seeds: int64 (models,): seed of each run.
        logits: part -> float32 of shape (k, examples, classes): of the first k models only, k <= N.
        facts: name -> float64 (models,): what the method reported of each run beside its model.
        costs: of each call; by default nothing but its duration is known.
        by_output: as in `ModelOutputs`, (models, test examples, outputs).

    Raises:
        ValueError: parts, shapes or labels that do not belong together.

    Example:
        >>> logits, labels = {"test": np.zeros((1, 2, 4))}, {"test": np.array([0, 3])}
        >>> outputs = Outputs.of_logits("original", logits, labels, seconds=[0.5], seeds=[7])
        >>> outputs.losses("test").round(4).tolist()  # log(4) nats: uniform over four classes
        [[1.3863, 1.3863]]
    """

    method: str
    confidences: Mapping[str, np.ndarray]
    correct: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    seconds: np.ndarray
    seeds: np.ndarray
    logits: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, np.ndarray] = field(default_factory=dict)
    costs: tuple[Cost, ...] = ()
    by_output: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", self.costs or tuple(Cost(float(seconds)) for seconds in self.seconds))
        object.__setattr__(self, "seconds", read_only(np.asarray(self.seconds, np.float64)))
        object.__setattr__(self, "seeds", read_only(np.asarray(self.seeds, np.int64)))
        for name, dtype in (
            ("confidences", np.float32),
            ("correct", bool),
            ("labels", np.int32),
            ("logits", np.float32),
        ):
            arrays = {part: read_only(np.asarray(array, dtype)) for part, array in getattr(self, name).items()}
            object.__setattr__(self, name, arrays)
        parts = set(self.labels)
        if {*self.confidences} != parts or {*self.correct} != parts or len(self.seeds) != len(self.seconds):
            raise ValueError(
                f"Outputs of '{self.method}' have confidences of {sorted(self.confidences)}, labels of "
                f"{sorted(parts)}, {len(self.seconds)} durations and {len(self.seeds)} seeds. Expected labels for each "
                "part and a seed for each model. Make them with Outputs.of_models."
            )
        for part, labels in self.labels.items():
            expected = (len(self.seconds), len(labels))
            for array in (self.confidences[part], self.correct[part]):
                if array.shape != expected:
                    raise ValueError(
                        f"The outputs of '{part}' have shape {array.shape}. Expected (models, examples) with "
                        f"{expected[0]} models and {expected[1]} examples. Make them with Outputs.of_models."
                    )
        for part, array in self.logits.items():
            self._check_logits(part, array)

    def _check_logits(self, part: str, array: np.ndarray) -> None:
        labels = self.labels[part]
        if array.ndim != 3 or len(array) > self.num_models or array.shape[1] != len(labels):
            raise ValueError(
                f"Logits of '{part}' have shape {array.shape}. Expected (models, examples, classes) with at most "
                f"{self.num_models} models and {len(labels)} examples. Compute them with kit.compute_outputs."
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < array.shape[-1]:
            raise ValueError(
                f"Labels of '{part}' lie between {labels.min()} and {labels.max()}. Expected 0 .. "
                f"{array.shape[-1] - 1}, because there are logits for {array.shape[-1]} classes. Check that both "
                "belong together."
            )

    @staticmethod
    def of_models(
        method: str,
        models: Sequence[ModelOutputs],
        labels: Mapping[str, np.ndarray],
        *,
        seconds: Sequence[float] | np.ndarray,
        seeds: Sequence[int] | np.ndarray,
    ) -> Outputs:
        """Returns the outputs of a population from those of its models, with the logits of the first `NUM_WITH_LOGITS`.

        Args:
            method: its name.
            models: one `ModelOutputs` a run, all of the same parts and examples.
            labels: part -> integers (examples,).
            seconds: (models,), duration of each run by the clock.
            seeds: (models,), seed of each run.

        Raises:
            ValueError: parts or shapes that do not belong together.
        """
        first = models[:NUM_WITH_LOGITS]
        with_logits = [part for part in labels if all(part in model.logits for model in first)]
        return Outputs(
            method,
            {part: np.stack([model.confidences[part] for model in models]) for part in labels},
            {part: np.stack([model.correct[part] for model in models]) for part in labels},
            labels,
            np.asarray(seconds, np.float64),
            np.asarray(seeds, np.int64),
            {part: np.stack([model.logits[part] for model in first]) for part in with_logits},
            by_output={kind: np.stack([model.by_output[kind] for model in models]) for kind in models[0].by_output},
        )

    @staticmethod
    def of_logits(
        method: str,
        logits: Mapping[str, np.ndarray],
        labels: Mapping[str, np.ndarray],
        *,
        seconds: Sequence[float] | np.ndarray,
        seeds: Sequence[int] | np.ndarray,
    ) -> Outputs:
        """Returns the outputs of models whose logits are at hand.

        Args:
            method: its name.
            logits: part -> (models, examples, classes).
            labels: part -> integers (examples,).
            seconds: (models,), duration of each run by the clock.
            seeds: (models,), seed of each run.

        Raises:
            ValueError: parts or shapes that do not belong together.
        """
        each = [{part: array[number] for part, array in logits.items()} for number in range(len(seconds))]
        models = [ModelOutputs.of_logits(parts, labels) for parts in each]
        return Outputs.of_models(method, models, labels, seconds=seconds, seeds=seeds)

    def __repr__(self) -> str:
        return f"<{self._title}: {counted(self._sizes)} examples>"

    def _repr_html_(self) -> str:
        """Returns for each part how many examples the models get right and what they lose, for a notebook."""
        rows = [
            (part, f"{size:,}", f"{self.correct[part].mean():.3f}", f"{self.losses(part).mean():.3f}")
            for part, size in self._sizes.items()
            if size and self.num_models
        ]
        return html_table(self._title, rows, ("part", "examples", "accuracy", "loss (nats)"))

    @property
    def _title(self) -> str:
        return f"Outputs of {self.method}, {number_of(self.num_models, 'model')}"

    @property
    def _sizes(self) -> dict[str, int]:
        return {part: len(self.labels[part]) for part in PARTS if part in self.labels}

    @property
    def num_models(self) -> int:
        """Number of models, one for each run."""
        return len(self.seconds)

    def select(self, models: slice | np.ndarray) -> Outputs:
        """Returns the outputs of some of the models.

        Args:
            models: a slice, or increasing indices of models.

        Example:
            >>> logits, labels = {"test": np.zeros((3, 2, 4))}, {"test": np.array([0, 3])}
            >>> outputs = Outputs.of_logits("original", logits, labels, seconds=[0.5] * 3, seeds=[7, 8, 9])
            >>> outputs.select(slice(1, None)).seeds.tolist()
            [8, 9]
        """
        chosen = np.arange(self.num_models)[models]
        return Outputs(
            self.method,
            {part: array[chosen] for part, array in self.confidences.items()},
            {part: array[chosen] for part, array in self.correct.items()},
            self.labels,
            self.seconds[chosen],
            self.seeds[chosen],
            {part: array[chosen[chosen < len(array)]] for part, array in self.logits.items()},
            {name: values[chosen] for name, values in self.facts.items()},
            tuple(self.costs[number] for number in chosen),
            {kind: array[chosen] for kind, array in self.by_output.items()},
        )

    def losses(self, part: str) -> np.ndarray:
        """Returns each model's cross-entropy on each example.

        Args:
            part: `retain`, `forget`, `validation` or `test`.

        Returns:
            float64 (models, examples), in nats, >= 0; computed from the confidences, without a logarithm of 0.
        """
        losses: np.ndarray = np.logaddexp(0.0, -self.confidences[part].astype(np.float64))
        return losses
