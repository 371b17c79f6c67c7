"""The contract's call, once: seeded, with what it is handed; in the kit's own process and in a contained one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import keras

from kit.machine import xla
from kit.toolbox import seeding, setup, tracing
from kit.toolbox.costs import Traces
from kit.toolbox.examples import Selection

if TYPE_CHECKING:
    import tensorflow as tf

    from kit.toolbox.minibatches import Batches

    DataSet: TypeAlias = tf.data.Dataset | Batches

SETS = ("retain", "forget", "validation")


@dataclass(frozen=True)
class Call:
    """One call of `unlearning(net, retain, forget, validation)`, prepared for a seed.

    Args:
        seed: of the run.
        net: the original model; the call may change it.
        retain, forget, validation: data sets of batches (x, y), x float32, y int32.
        keep_compiled: see `kit.toolbox.seeding.set_random_seed`.
    """

    seed: int
    net: keras.Model
    retain: DataSet
    forget: DataSet
    validation: DataSet
    keep_compiled: bool = False

    @classmethod
    def prepare(
        cls,
        seed: int,
        fresh_net: Callable[[], keras.Model],
        sets: Mapping[str, Selection],
        batch_size: int,
        *,
        keep_compiled: bool = False,
        handed: Callable[[Selection, int, int | None], DataSet] = Selection.tf_data,
    ) -> Call:
        """Sets the seeds, takes the model and makes the three data sets.

        Args:
            seed: the same one gives the same weights on the same machine, to the bit.
            fresh_net: returns the original model; what it draws depends on the seed alone.
            sets: the examples of each of `SETS`; `retain` comes in another order at each pass.
            batch_size: of all three.
            keep_compiled: what TensorFlow has compiled is kept, for a method of the kit that is called again.
            handed: makes a data set of a selection, a batch size and the seed of its orders.
        """
        seeding.set_random_seed(seed, keep_compiled=keep_compiled)
        net = fresh_net()
        retain, forget, validation = (
            handed(sets[name], batch_size, seed % seeding.MAX_SEED if name == "retain" else None) for name in SETS
        )
        return cls(seed, net, retain, forget, validation, keep_compiled)

    def make(
        self,
        method: Callable[..., Any],
        hyperparameters: Mapping[str, Any],
        announce: Callable[[], None] = lambda: None,
    ) -> tuple[Any, Traces]:
        """Sets the seeds again, calls the method, and puts back global settings of Keras that it has changed.

        Args:
            method: the function.
            hyperparameters: its keyword arguments.
            announce: called when all is ready: whoever called this has the clock, and maybe in another process.

        Returns:
            What the method returned, whatever that is, and what was traced meanwhile.
        """
        seeding.set_random_seed(self.seed, keep_compiled=self.keep_compiled)
        of_the_kit = self.keep_compiled
        with _settings_restored(), contextlib.nullcontext() if of_the_kit else xla.not_in_a_users_call():
            with tracing.watched() as traces:
                announce()
                returned = method(self.net, self.retain, self.forget, self.validation, **hyperparameters)
            return returned, traces


@contextlib.contextmanager
def _settings_restored() -> Iterator[None]:
    """Puts Keras's global settings back, which a user's function may change for all that comes after it."""
    policy, floats, image_format = keras.config.dtype_policy(), keras.config.floatx(), keras.config.image_data_format()
    epsilon, eager = keras.config.epsilon(), setup.runs_eagerly()
    try:
        yield
    finally:
        keras.config.set_floatx(floats)
        keras.config.set_epsilon(epsilon)
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(image_format)
        setup.run_eagerly(eager)
