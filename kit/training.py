"""THE training loop: data in memory, whole epochs inside one compiled function, bits that can be repeated."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from tqdm import tqdm

from kit import threads
from kit.augmentation import AUGMENTATIONS, Augment
from kit.checkpoints import Keeper, identity_of
from kit.datasets import as_float, in_memory
from kit.types import InputError, Recipe

MAX_SEED = 2**31 - 1
# A call of a compiled function costs about 1 ms beside its steps, as much as two steps of a small network. Small data
# sets are therefore trained on for several epochs a call, large ones for part of an epoch, a second or so; between
# calls the progress bar moves and Ctrl-C is heard. The bits do not depend on it.
_FIRST_CALL, _LONGEST_CALL = 2_000, 20_000


def prepare_tensorflow() -> None:
    """Fixes what the bits of a trained model depend on besides its seed: number of threads, deterministic operations.

    Raises:
        InputError: Keras runs on another backend, or TensorFlow has started with another number of threads.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"Keras runs on the backend '{keras.backend.backend()}'. Expected 'tensorflow', which the kit's training "
            "loop is written for. Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."
        )
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads.number())
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        if any(os.environ.get(name) != value for name, value in threads.variables().items()):
            raise InputError(
                "TensorFlow computed something with another number of threads before the kit was imported, and the "
                "bits of a trained model depend on it. Expected 'import kit' first. Restart the session (in Colab: "
                "Runtime > Restart session) and import kit in the first cell."
            ) from error
    tf.config.experimental.enable_op_determinism()


def runs_eagerly() -> bool:
    """Returns whether compiled functions are executed step by step, a setting for debugging that is the process's."""
    return bool(tf.config.functions_run_eagerly())


def run_eagerly(eager: bool) -> None:
    """Sets what `runs_eagerly` returns."""
    tf.config.run_functions_eagerly(eager)


@functools.cache
def warm_up() -> None:
    """Fits a tiny model in plain Keras, once a process: no measured call pays for what Keras loads at first use."""
    images = keras.Input((1,))
    net = keras.Model(images, keras.layers.Dense(2)(images))
    data = tf.data.Dataset.from_tensor_slices((np.zeros((2, 1), np.float32), np.zeros(2, np.int32))).batch(2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    net.fit(data, epochs=1, shuffle=False, verbose=0)


def set_random_seed(seed: int, *, keep_compiled: bool = False) -> None:
    """Sets the seeds of Python, NumPy, TensorFlow and Keras, as `keras.utils.set_random_seed` does.

    Args:
        seed: of all four.
        keep_compiled: TensorFlow throws away all that it has made ready to run, so that stateful random operations
            begin anew; making a training loop ready again takes longer than five epochs of a small network. What uses
            no stateful operation of TensorFlow (Keras's layers and initialisers do not) does not need that.
    """
    handles = context.context()
    handle = handles._context_handle
    if keep_compiled:
        handles._context_handle = None  # there is nothing to throw away, as far as TensorFlow can see
    try:
        keras.utils.set_random_seed(seed)
    finally:
        handles._context_handle = handle


def draw_seed() -> int:
    """Returns a seed from NumPy's global state, which the harness sets before each run of a method."""
    return int(np.random.randint(MAX_SEED))


def fit(
    net: keras.Model,
    dataset: tf.data.Dataset,
    recipe: Recipe,
    *,
    seed: int | None = None,
    augment: Augment | None = None,
    checkpoint: Path | None = None,
) -> keras.Model:
    """Trains `net` in place on mean cross-entropy and returns it.

    Stochastic gradient descent as PyTorch has it: `g += weight_decay * w; m = momentum * m + g; w -= rate * m`.
    Keras's own SGD differs: its weight decay is decoupled and bypasses the momentum, about ten times weaker at 0.9.

    Args:
        net: returns logits; what it has been compiled with plays no part and is left alone.
        dataset: batches (x, y) of equal size, the last one possibly short; read once, then kept in memory, 8-bit
            images in 8 bits.
        recipe: epochs, learning rate and so on; the batch size is the dataset's.
        seed: of the order of the examples and of the augmentation; by default drawn from NumPy's global state.
        augment: changes a batch of float32 images, instead of the recipe's augmentation; it is given a fresh seed for
            each step and must use `tf.random.stateless_*` only: a stateful operation in a compiled function draws the
            same numbers each run.
        checkpoint: where the state of a training of more than a second is kept, epoch by epoch. The same training,
            started again with this file in place, goes on where it stopped and gives the same bits.

    Example:
        >>> from kit.models import mlp
        >>> data = tf.data.Dataset.from_tensor_slices((np.eye(4, dtype="float32"), np.arange(4))).batch(2)
        >>> net = fit(mlp((4,), 4), data, Recipe(epochs=40), seed=0)
        >>> int(net(np.eye(4))[2].numpy().argmax())
        2
    """
    seed = draw_seed() if seed is None else seed
    x, y, batch_size = in_memory(dataset)
    if recipe.epochs == 0:
        return net
    augment = augment or AUGMENTATIONS[recipe.augmentation]
    variables = [variable.value for variable in net.trainable_variables]
    key = ("epochs", augment, x.dtype, y.dtype, tuple(id(variable) for variable in variables))
    train, momenta = compiled_once(net, key, lambda: _compile_epochs(net, variables, augment, x, y))
    for momentum in momenta:
        momentum.assign(tf.zeros_like(momentum))
    identity = (
        ""
        if checkpoint is None
        else identity_of([recipe, augment, seed, batch_size, threads.number()], x.numpy(), y.numpy())
    )
    keeper = Keeper(checkpoint, identity, [*(variable.value for variable in net.variables), *momenta])
    shuffle, rates = np.random.default_rng(seed), recipe.learning_rates()
    constants = [tf.constant(value, tf.float32) for value in (recipe.momentum, recipe.weight_decay)]
    for _ in range(keeper.epochs):  # to the place where the checkpoint was written
        shuffle.permutation(len(x))
    epoch, at_once = keeper.epochs, _FIRST_CALL
    with _progress_bar(recipe.epochs, len(x), done=epoch) as bar:
        while epoch < recipe.epochs:
            some = rates[epoch : epoch + max(1, at_once // len(x))]
            orders = np.stack([shuffle.permutation(len(x)).astype(np.int32) for _ in some])
            first = 0
            while first < len(x):
                part = orders[:, first : first + max(1, at_once // batch_size) * batch_size]
                start = time.perf_counter()
                place = [tf.constant([seed % MAX_SEED, epoch], tf.int32), tf.constant(first // batch_size)]
                train(x, y, tf.constant(part), tf.constant(batch_size), *place, tf.constant(some), *constants)
                at_once = _examples_a_second(part.size, time.perf_counter() - start)
                first += part.shape[1]
                bar.update(part.size)
            epoch += len(some)
            keeper.keep(epoch, last=epoch == recipe.epochs)
    return net


def _examples_a_second(examples: int, seconds: float) -> int:
    return int(min(_LONGEST_CALL, examples / seconds))


def _progress_bar(epochs: int, num_examples: int, done: int) -> tqdm:
    return tqdm(
        total=epochs * num_examples,
        initial=done * num_examples,
        desc=f"training, {epochs} epochs" if epochs > 1 else "training",
        unit=" examples",
        unit_scale=True,
        delay=2,
        leave=False,
        mininterval=0.5,
    )


def compiled_once(net: keras.Model, key: Hashable, build: Callable[[], Any]) -> Any:
    """Returns what `build` made the first time that it was asked for with this net and key.

    Tracing costs 0.2 to 0.5 s, so one model is reset and used again rather than built anew. The memory hangs on the
    model itself and goes with it; `object.__setattr__` keeps Keras from tracking it as a part of the model.
    """
    made: dict[Hashable, Any] | None = net.__dict__.get("_compiled_by_kit")
    if made is None:
        made = {}
        object.__setattr__(net, "_compiled_by_kit", made)
    if key not in made:
        made[key] = build()
    return made[key]


def _compile_epochs(
    net: keras.Model, variables: list[tf.Variable], augment: Augment | None, x: tf.Tensor, y: tf.Tensor
) -> tuple[Callable[..., None], list[tf.Variable]]:
    """Returns a function that trains for some epochs or a part of one, and the momentum buffers that it updates."""
    momenta = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables]

    def mean_loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(net(images, training=True), tf.float32)  # from bfloat16, for instance
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        return tf.add_n([loss, *net.losses]) if net.losses else loss

    # The number of examples stays open: another split of the same challenge is not traced again.
    scalar = tf.TensorSpec((), tf.float32)
    data = [tf.TensorSpec((None, *x.shape[1:]), x.dtype), tf.TensorSpec((None,), y.dtype)]
    integers = [tf.TensorSpec(shape, tf.int32) for shape in ((None, None), (), (2,), ())]
    rates = tf.TensorSpec((None,), tf.float32)

    # jit_compile=False: on a CPU, XLA makes convolutions two to ten times slower. autograph=False: it rewrites source
    # code, which has to be there, and on Python 3.13 does not survive warnings that are errors.
    @tf.function(input_signature=[*data, *integers, rates, scalar, scalar], jit_compile=False, autograph=False)
    def train(x, y, orders, batch_size, start, first_step, rates, momentum, weight_decay):  # type: ignore[no-untyped-def]
        num_examples = tf.shape(orders)[1]
        steps_an_epoch = (num_examples + batch_size - 1) // batch_size

        def one_step(number: tf.Tensor) -> tf.Tensor:
            epoch, step = number // steps_an_epoch, number % steps_an_epoch
            chosen = orders[epoch, step * batch_size : tf.minimum((step + 1) * batch_size, num_examples)]
            images, labels = as_float(tf.gather(x, chosen)), tf.gather(y, chosen)
            if augment is not None:
                seed = tf.random.experimental.stateless_fold_in(start + tf.stack([0, epoch]), first_step + step)
                images = augment(images, seed)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                loss = mean_loss(images, labels)
            gradients = tape.gradient(loss, variables)
            for variable, buffer, gradient in zip(variables, momenta, gradients, strict=True):
                if gradient is None:  # a variable that the loss does not depend on
                    continue
                decayed = tf.convert_to_tensor(gradient) + weight_decay * variable
                tf.raw_ops.ResourceApplyMomentum(
                    var=variable.handle, accum=buffer.handle, lr=rates[epoch], grad=decayed, momentum=momentum
                )
            return number + 1

        num_steps = tf.size(rates) * steps_an_epoch
        tf.while_loop(lambda number: number < num_steps, one_step, [tf.constant(0)], parallel_iterations=1)

    return train, momenta
