"""Batches as `fit` of Keras goes over them on JAX: a `PyDataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.toolbox.minibatches import Augmented, Batches

if TYPE_CHECKING:
    from kit.toolbox.examples import Selection
    from kit.toolbox.tensors import Augment


def batches(selection: Selection, batch_size: int, shuffle_seed: int | None) -> Batches:
    """Returns batches of the selected examples, see `kit.toolbox.examples.batches`."""
    return Batches(selection, batch_size, shuffle_seed)


def augmented(dataset: Batches, augment: Augment) -> Augmented:
    """Returns the data set with each batch of images changed, see `kit.toolbox.examples.augmented`."""
    return Augmented(dataset, augment)
