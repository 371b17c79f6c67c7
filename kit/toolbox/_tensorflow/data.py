"""The edge to `tf.data`: batches as a method is handed them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from kit.toolbox.tensors import as_float

if TYPE_CHECKING:
    from kit.toolbox.examples import Selection


def batches(selection: Selection, batch_size: int, shuffle_seed: int | None) -> tf.data.Dataset:
    """Returns batches of the selected examples, see `kit.toolbox.examples.batches`."""
    images, labels = tf.constant(selection.arrays.x), tf.constant(selection.arrays.y)
    dataset = tf.data.Dataset.from_tensor_slices(selection.indices)
    if shuffle_seed is not None:
        dataset = dataset.shuffle(len(selection.indices), seed=shuffle_seed, reshuffle_each_iteration=True)
    dataset = dataset.batch(batch_size)

    @tf.autograph.experimental.do_not_convert  # nothing is to be rewritten, and to look for it takes a fifth of a call
    def examples(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Gathering a whole batch by index is several times quicker than slicing, shuffling and stacking single images.
        return as_float(tf.gather(images, batch)), tf.gather(labels, batch)

    dataset = dataset.map(examples)
    return dataset.prefetch(tf.data.AUTOTUNE)


def augmented(dataset: tf.data.Dataset, augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tf.data.Dataset:
    """Returns the data set with each batch of images changed under a fresh seed, from TensorFlow's global state."""

    def changed(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return augment(x, tf.random.uniform((2,), maxval=tf.int32.max, dtype=tf.int32)), y

    return dataset.map(changed).prefetch(tf.data.AUTOTUNE)


def arrays_of(dataset: tf.data.Dataset) -> tuple[tf.Tensor, tf.Tensor] | None:
    """Returns nothing: a `tf.data.Dataset` has to be gone over."""
    return None
