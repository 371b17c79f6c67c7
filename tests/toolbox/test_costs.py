"""Passes over examples, counted where they happen."""

from __future__ import annotations

import threading
from collections.abc import Callable

import keras
import numpy as np
import pytest

from kit.models import mlp
from kit.toolbox import costs, gradients, setup
from kit.toolbox.costs import Counter
from kit.toolbox.examples import Examples
from kit.toolbox.inference import predict_logits
from kit.toolbox.losses import Difference
from kit.toolbox.optimizers import Sgd
from kit.toolbox.training import Descent

NUM_CLASSES = 3


@pytest.fixture(scope="module")
def net() -> keras.Model:
    setup.prepare()
    return mlp((4,), NUM_CLASSES)


def some(num_examples: int, batch_size: int = 4) -> Examples:
    x = np.random.default_rng(0).normal(size=(num_examples, 4)).astype("float32")
    return Examples(keras.ops.array(x), keras.ops.arange(num_examples, dtype="int32") % NUM_CLASSES, batch_size)


def weights_of(net: keras.Model) -> gradients.Vector:
    return [variable.value for variable in net.trainable_variables]


def train(net: keras.Model) -> None:
    Descent(net, seed=0).train(some(10), [0.1, 0.1])


def train_paired(net: keras.Model) -> None:
    """Three steps an epoch, each with three of the paired examples."""
    Descent(net, Sgd(), seed=0).train(some(10), [0.1, 0.1], Difference(0.5), paired=some(5, 3))


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (lambda net: predict_logits(net, some(10).x), Counter(forward=10)),
        (lambda net: predict_logits(net, np.zeros((0, 4), "float32")), Counter()),
        (train, Counter(backward=20)),
        (train_paired, Counter(backward=20 + 2 * 3 * 3)),
        (lambda net: gradients.mean_gradient(net, some(10)), Counter(backward=10)),
        (lambda net: gradients.fisher_diagonal(net, some(10)), Counter(backward=10)),
        (lambda net: gradients.fisher_diagonal(net, some(10), expected=True), Counter(backward=10 * NUM_CLASSES)),
        (lambda net: gradients.hessian_product(net, some(10)), Counter()),
        (lambda net: gradients.hessian_product(net, some(10))(weights_of(net)), Counter(second_order=10)),
        (lambda net: gradients.gauss_newton_product(net, some(10))(weights_of(net)), Counter(second_order=10)),
    ],
)
def test_what_passes_through_a_network_is_counted(
    net: keras.Model, use: Callable[[keras.Model], object], expected: Counter
) -> None:
    for _ in range(2):  # what is compiled already counts as much
        with costs.counted() as counter:
            use(net)
        assert counter == expected


def test_a_pass_is_forward_and_backward() -> None:
    assert Counter(forward=30, backward=7, second_order=5).passes == pytest.approx(27)


def test_counters_inside_one_another_both_count_and_end_with_their_block() -> None:
    costs.add(backward=1)  # nobody counts
    with costs.counted() as outer:
        costs.add(backward=2)
        with costs.counted() as inner:
            costs.add(forward=3)
        costs.add(second_order=4)
    costs.add(backward=5)
    assert inner == Counter(forward=3)
    assert outer == Counter(forward=3, backward=2, second_order=4)


def test_an_error_ends_the_counting() -> None:
    with pytest.raises(KeyError), costs.counted() as counter:
        raise KeyError
    costs.add(backward=1)
    assert counter == Counter()


def test_other_threads_are_not_counted() -> None:
    with costs.counted() as counter:
        thread = threading.Thread(target=lambda: costs.add(backward=1))
        thread.start()
        thread.join()
    assert counter == Counter()
