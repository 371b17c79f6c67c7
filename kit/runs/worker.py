"""The models of one process, made for the methods that start from one original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import keras
import numpy as np

from kit import models
from kit.models.weights import expected_like, same_weights
from kit.runs import originals, process
from kit.runs.originals import Pretrained
from kit.runs.outputs import compute_outputs
from kit.runs.pretraining import new_base, original_of
from kit.runs.settings import hyperparameters
from kit.submission.entry import Entry
from kit.submission.handover import Inputs
from kit.submission.inside import PROBED
from kit.submission.returned import checked_weights, require_same_outputs
from kit.toolbox import seeding
from kit.toolbox.examples import Selection
from kit.toolbox.inference import predict_logits
from kit.types import Challenge, ModelOutputs


class Training(Protocol):
    """What trains a user's model, where no recipe does."""

    def among(self, places: np.ndarray) -> Training:
        """Returns the same training for some of the training examples, which are then counted from 0.

        Args:
            places: int64 (n,), positions among the training examples.
        """

    @property
    def described(self) -> Mapping[str, str]:
        """What it is, in place of a recipe's fields in a report."""

    def __call__(self, start: Sequence[np.ndarray], places: np.ndarray, seed: int) -> Sequence[np.ndarray]:
        """Returns the weights of a model that was trained from these on some of the challenge's training examples.

        Args:
            start: in the order of the challenge's model.
            places: int64, positions of examples.
            seed: of the training.
        """


class Worker:
    """Holds the models of one process, so that the next run starts from the same state without being traced again.

    A built-in method is handed the same model each time, with every variable put back (weights, batch statistics,
    seed generators). A model that was compiled, frozen in part or given to a user's function is not handed out again.
    """

    def __init__(
        self,
        challenge: Challenge,
        original: Pretrained | None = None,
        *,
        pretraining: str = "",
        like: Worker | None = None,
        training: Training | None = None,
    ) -> None:
        """Prepares TensorFlow and builds the models.

        Args:
            challenge: what is unlearned from.
            original: its weights; by default `pretraining.original_of`, trained now if they neither ship nor are
                cached.
            pretraining: name of the method that trains the original in its own way; empty for the challenge's recipe.
            like: a worker of the same architecture and precision, whose models serve here too, with what was compiled
                for them: the two take turns.
            training: what `retrain` trains by; by default the challenge's recipe.

        Raises:
            FailedRun: the original's weights are damaged, or do not fit the architecture.
        """
        process.prepare()
        self.challenge, self.pretraining, self.training = challenge, pretraining, training
        self.original = original or original_of(challenge, pretraining)
        self._scoring_net: keras.Model = self._build("float32") if like is None else like._scoring_net
        self.require_fitting(self.original)
        self._selections: Mapping[str, Selection] = {}
        self._selected: Challenge | None = None
        self._of_original: tuple[Challenge, ModelOutputs] | None = None
        self._base: keras.Model | None = None
        self._net: keras.Model | None = None if like is None else like._net
        self._flags: list[bool] = [] if like is None else like._flags

    @classmethod
    def for_entry(cls, entry: Entry, challenge: Challenge, at_hand: Self | None = None) -> Self:
        """Returns a worker for a method: the one at hand, if the method starts from its original, else a new one.

        Else a new one.

        Args:
            entry: the method.
            challenge: on which it runs; the worker at hand is set to it.
            at_hand: a worker of an earlier method; None for none.
        """
        if at_hand is not None and at_hand.pretraining == entry.pretraining:
            at_hand.challenge = challenge
            return at_hand
        return cls(challenge, pretraining=entry.pretraining)

    @property
    def selections(self) -> Mapping[str, Selection]:
        """Returns the three sets that a method is handed: those of `challenge`, which may be another after a while.

        They are the same objects from run to run, so that what is read into memory once stays there.
        """
        challenge, selected = self.challenge, self._selected
        if selected is None or challenge.split is not selected.split or challenge.train is not selected.train:
            self._selected, self._selections = challenge, _selections(challenge)
        return self._selections

    def fresh_net(self, seed: int, *, reuse: bool) -> keras.Model:
        """Returns the original model, ready for a run.

        Args:
            seed: of the run, for layers that draw.
            reuse: whether it may be the object of an earlier run, set back; else it is a new one.
        """
        net = self._net if reuse else None
        if net is None or net.compiled or _trainable_flags(net) != self._flags:
            net = self._build(self.challenge.precision)
            if reuse:
                self._net, self._flags = net, _trainable_flags(net)
        net.set_weights(self.original.weights)
        seeding.seed_generators_reset(net, seed)
        return net

    def nets(self) -> list[keras.Model]:
        """Returns the models that runs of a built-in method change; the first call builds them."""
        return [self.fresh_net(0, reuse=True), self._scoring_net, *([self.base()] if self.pretraining else [])]

    def _build(self, precision: str) -> keras.Model:
        if self.original.description:  # a method's own training has made another architecture, in float32
            return models.build_described(self.original.description)
        return originals.build(self.challenge, precision)

    def base(self) -> keras.Model:
        """Returns the network that a method's own training trains anew, the same object each time."""
        if self._base is None:
            self._base = new_base(self.challenge)
        return self._base

    def require_fitting(self, pretrained: Pretrained) -> None:
        """Checks that stored weights fit the architecture.

        Args:
            pretrained: weights that were stored.

        Raises:
            FailedRun: they do not.
        """
        originals.require_fitting(pretrained, self._scoring_net)

    def net_with(self, weights: Sequence[np.ndarray]) -> keras.Model:
        """Returns the model that the kit built, with other weights: the same object each time.

        Args:
            weights: in the order of `get_weights`.
        """
        self._scoring_net.set_weights(list(weights))
        return self._scoring_net

    def outputs(self, weights: Sequence[np.ndarray], method: str) -> ModelOutputs:
        """Computes what a method's model says, by its weights in a model that the kit built.

        What the original says is computed once: many runs leave it as it is.

        Args:
            weights: of the model that the method returned.
            method: its name, for error messages.

        Returns:
            Its outputs on all parts of the challenge.

        Raises:
            BrokenSubmission: the weights are not of the original's shapes, or not finite numbers.
        """
        checked = self.checked(weights, method)
        if not same_weights(checked, self.original.weights):
            return compute_outputs(self.net_with(checked), self.challenge, method)
        if self._of_original is None or self._of_original[0] is not self.challenge:
            self._of_original = self.challenge, compute_outputs(self.net_with(checked), self.challenge, method)
        return self._of_original[1]

    def checked(self, weights: Sequence[np.ndarray], method: str) -> tuple[np.ndarray, ...]:
        """Returns the weights of a method's model as arrays.

        Args:
            weights: of the model that the method returned.
            method: its name, for error messages.

        Raises:
            BrokenSubmission: the weights are not of the original's shapes, or not finite numbers.
        """
        return checked_weights(method, weights, expected_like(self.original.weights))

    def require_legal(self, weights: Sequence[np.ndarray], method: str, reply: Mapping[str, Any]) -> None:
        """Checks what a method has returned by the rule that holds everywhere (`kit.submission.returned`).

        Args:
            weights: of the returned model.
            method: its name.
            reply: see `outputs_problem` there; of the first examples of the validation set.
        """
        net = self.net_with(self.checked(weights, method))
        require_same_outputs(method, reply, predict_logits(net, self.challenge.validation.x[:PROBED]))

    def inputs(self, entry: Entry) -> Inputs:
        """Returns what a contained process is handed: retain, forget and validation sets, and the original's weights.

        Args:
            entry: the method, whose hyper-parameters go along.
        """
        challenge, split = self.challenge, self.challenge.split
        arrays = {"validation_x": challenge.validation.x, "validation_y": challenge.validation.y}
        for part, indices in (("retain", split.retain), ("forget", split.forget)):
            arrays |= {f"{part}_x": challenge.train.x[indices], f"{part}_y": challenge.train.y[indices]}
        return Inputs(
            arrays=arrays,
            weights=self.original.weights,
            model=challenge.model,
            model_description=challenge.model_description,
            precision=challenge.precision,
            input_shape=challenge.input_shape,
            num_classes=challenge.num_classes,
            batch_size=challenge.batch_size,
            hyperparameters=hyperparameters(entry, challenge),
            start=challenge.start or (),
        )


def _trainable_flags(net: keras.Model) -> list[bool]:
    return [part.trainable for part in (*net.layers, *net.variables)]


def _selections(challenge: Challenge) -> dict[str, Selection]:
    split, validation = challenge.split, challenge.validation
    return {
        "retain": Selection(challenge.train, split.retain),
        "forget": Selection(challenge.train, split.forget),
        "validation": Selection(validation, np.arange(len(validation))),
    }
