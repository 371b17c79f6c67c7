"""The contract of a method, as types: what `unlearning` and `pretraining` are called with, and what they return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import tensorflow as tf

    from kit.types import Challenge


class Unlearning(Protocol):
    """A function that removes the influence of some training examples from a model.

    It may have further parameters: keyword-only, each with a default. Those are its hyper-parameters, which a challenge
    may set. Two names are the kit's: `checkpoint`, a `Path` where a long training may keep its state, and `folder`, a
    `Path` with a copy of what the method's own `pretraining` has kept.

    Randomness is taken from where the harness seeds it before each call, with one seed a run: Python's `random`,
    `numpy.random`, TensorFlow and Keras. The same seed gives the same model. Nothing may be kept from one call to the
    next, in the module or on the disk: runs do not depend on each other, and may be made in any order, in any process.
    """

    def __call__(
        self,
        net: keras.Model,
        retain: tf.data.Dataset,
        forget: tf.data.Dataset,
        validation: tf.data.Dataset,
        /,
    ) -> keras.Model:
        """Returns the unlearned model.

        Args:
            net: the original model, which has learnt from `retain` and `forget`: uncompiled, returning logits of shape
                (batch, classes). It is the method's own, to change and to return.
            retain: batches `(x, y)` of the training examples to keep, x float32 (batch, ...) or uint8 images scaled to
                [0, 1], y int32 (batch,). Shuffled anew at each pass, with the run's seed.
            forget: batches of the training examples to forget, in a fixed order.
            validation: batches of examples that the model has never seen, in a fixed order. Test examples, by which
                methods are scored, are never handed over.

        Returns:
            A model of the architecture of `net`. Its weights alone are taken, and put into an architecture that the
            kit has built.
        """
        ...


class Pretraining(Protocol):
    """A method's own way of training the original model, for methods that must prepare for unlearning.

    Defined as `pretraining` beside `unlearning`. The rows `original` and `retrain` that such a method is compared with
    are trained by it too. Keyword-only parameters with defaults are hyper-parameters, as those of `unlearning` are.
    """

    def __call__(self, challenge: Challenge, seed: int, folder: Path, base: keras.Model, /) -> keras.Model:
        """Returns the trained model.

        Args:
            challenge: its training set is all that may be learnt from; its split must not be looked at, because nobody
                knows yet what will have to be forgotten.
            seed: from which all randomness follows. The same seed gives the same model.
            folder: empty; what is written here is handed to `unlearning` as `folder`, a copy for each run. Nothing
                else is kept.
            base: a network of the challenge's architecture, in float32, to be trained anew whatever its weights are;
                with the same object each time, nothing is compiled twice.

        Returns:
            The model that is unlearned from, whose architecture then is "the architecture of `net`".
        """
        ...
