"""The edge to `tf.data`: batches as a submission is handed them, whichever backend Keras runs on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kit.toolbox import rows
from kit.toolbox.rows import Rows

if TYPE_CHECKING:
    from kit.toolbox.examples import Selection


def batches(selection: Selection, batch_size: int, shuffle_seed: int | None) -> tf.data.Dataset:
    """Returns batches of the selected examples, see `kit.toolbox.examples.Selection.tf_data`."""
    if shuffle_seed is not None:
        order = tf.data.Dataset.from_tensor_slices(selection.indices)
        order = order.shuffle(len(selection.indices), seed=shuffle_seed, reshuffle_each_iteration=True)
        return _read(selection, order.batch(batch_size)).prefetch(tf.data.AUTOTUNE)
    # In one order a data set has no state, and what reads it is traced once for all runs that are handed the selection.
    pipelines = selection.pipelines
    if batch_size not in pipelines:
        order = tf.data.Dataset.from_tensor_slices(selection.indices)
        pipelines[batch_size] = _read(selection, order.batch(batch_size))
    return pipelines[batch_size].prefetch(tf.data.AUTOTUNE)


def _read(selection: Selection, batches_of_indices: tf.data.Dataset) -> tf.data.Dataset:
    x, labels = selection.arrays.x, tf.constant(selection.arrays.y)
    if Rows(x, selection.indices).nbytes > rows.MOST_IN_MEMORY:
        return batches_of_indices.map(functools.partial(_rows_of, x, labels))
    images = tf.constant(x)

    @tf.autograph.experimental.do_not_convert  # nothing is to be rewritten, and to look for it takes a fifth of a call
    def examples(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Gathering a whole batch by index is several times quicker than slicing, shuffling and stacking single images.
        return _as_float(tf.gather(images, batch)), tf.gather(labels, batch)

    return batches_of_indices.map(examples)


def _rows_of(x: np.ndarray, labels: tf.Tensor, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a batch of what is too large to be a tensor: NumPy reads it."""
    images = tf.numpy_function(lambda indices: np.asarray(x[indices]), [batch], x.dtype, stateful=False)
    images.set_shape((None, *x.shape[1:]))
    return _as_float(images), tf.gather(labels, batch)


def augmented(dataset: tf.data.Dataset, augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tf.data.Dataset:
    """Returns the data set with each batch of images changed under a fresh seed, from TensorFlow's global state."""

    def changed(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return augment(x, tf.random.uniform((2,), maxval=tf.int32.max, dtype=tf.int32)), y

    return dataset.map(changed).prefetch(tf.data.AUTOTUNE)


def _as_float(images: tf.Tensor) -> tf.Tensor:
    """Returns what `kit.toolbox.tensors.as_float` does, where Keras's operations are not TensorFlow's."""
    return tf.cast(images, tf.float32) * (1 / 255) if images.dtype == tf.uint8 else images
