"""The one thing that makes each method itself, against a computation that is written out here.

Sets are one batch large where weights are compared after several steps: the order of the examples then plays no part.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import rel_entr, softmax
from scipy.stats import chisquare, kstest

from kit import methods
from kit.toolbox import examples, gradients, seeding, setup
from kit.toolbox import examples as kit_examples
from kit.types import Arrays, InputError

NUM_CLASSES = 3
NUMBERS = {"retain": np.arange(20), "forget": np.arange(20, 32), "validation": np.arange(32, 60)}
TABLE = Arrays(np.random.default_rng(0).normal(size=(60, 4)), np.random.default_rng(1).integers(0, NUM_CLASSES, 60))
IMAGES = Arrays(np.random.default_rng(2).normal(size=(60, 5, 5, 2)), TABLE.y)

Loss = Callable[[keras.Model], tf.Tensor]


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> None:
    setup.prepare()


# Models and data


def weighted(net: keras.Model, seed: int = 0) -> keras.Model:
    """Puts weights into a model that are the same at each call; none is 0, not even a bias."""
    generator = np.random.default_rng(seed)
    for variable in net.trainable_variables:
        variable.assign(generator.normal(scale=0.4, size=variable.shape))
    return net


@functools.cache
def _perceptron() -> keras.Model:
    hidden = keras.layers.Dense(6, activation="tanh", name="hidden")
    return keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(NUM_CLASSES, name="logits")])


@functools.cache
def _convolutional(dropout: float, kernel_initializer: keras.Initializer | None) -> keras.Model:
    options = {} if kernel_initializer is None else {"kernel_initializer": kernel_initializer}
    images = keras.Input((5, 5, 2))
    features = keras.layers.Conv2D(4, 3, padding="same", name="conv_1", **options)(images)
    features = keras.layers.Activation("tanh")(keras.layers.BatchNormalization(name="norm_1")(features))
    features = keras.layers.Conv2D(3, (2, 3), name="conv_2", **options)(features)
    features = keras.layers.Activation("tanh")(keras.layers.BatchNormalization(name="norm_2")(features))
    features = keras.layers.Dropout(dropout, seed=0)(keras.layers.Flatten()(features))
    return keras.Model(images, keras.layers.Dense(NUM_CLASSES, name="logits")(features))


def perceptron() -> keras.Model:
    """Smooth, so that no gradient is exactly 0. The same object each time, as a worker hands it out: traced once."""
    return weighted(_perceptron())


def convolutional(dropout: float = 0.0, kernel_initializer: keras.Initializer | None = None) -> keras.Model:
    """Two blocks of convolution and normalisation, and a dense one; statistics that are not those of the beginning.

    The same object each time, too.
    """
    net = weighted(_convolutional(dropout, kernel_initializer))
    for norm in (net.get_layer("norm_1"), net.get_layer("norm_2")):
        norm.moving_mean.assign(norm.beta)
        norm.moving_variance.assign(1 + tf.square(norm.gamma))
    seeding.seed_generators_reset(net, 0)
    return net


BLOCKS = [["conv_1", "norm_1"], ["conv_2", "norm_2"], ["logits"]]


def sets(arrays: Arrays = TABLE, batch_size: int = 100, **numbers: np.ndarray) -> list[tf.data.Dataset]:
    """Retain, forget and validation."""
    return [examples.batches(arrays, rows, batch_size) for rows in (NUMBERS | numbers).values()]


@functools.cache
def usual_sets() -> list[tf.data.Dataset]:
    return sets()


def x_of(part: str, arrays: Arrays = TABLE) -> np.ndarray:
    return arrays.x[NUMBERS[part]]


def y_of(part: str) -> np.ndarray:
    return TABLE.y[NUMBERS[part]]


def run(name: str, net: keras.Model, data: Sequence[tf.data.Dataset] | None = None, **settings: Any) -> keras.Model:
    returned: keras.Model = methods.get(name)(net, *(usual_sets() if data is None else data), **settings)
    return returned


def bits(*parts: keras.Model | keras.Layer) -> list[bytes]:
    return [array.tobytes() for part in parts for array in part.get_weights()]


def bits_of(net: keras.Model, names: Sequence[str]) -> list[bytes]:
    return bits(*(net.get_layer(name) for name in names))


def trainable(net: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in net.trainable_variables]


def copy_of(net: keras.Model) -> keras.Model:
    copied = keras.models.clone_model(net)
    copied.set_weights(net.get_weights())
    return copied


def assert_close(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray], atol: float = 1e-5) -> None:
    for first, second in zip(actual, expected, strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=atol)


# Losses and steps by hand


def nll(x: np.ndarray, y: np.ndarray, training: bool = True) -> Loss:
    """Minus the mean log-probability of the labels."""

    def value(net: keras.Model) -> tf.Tensor:
        log_probabilities = tf.math.log(tf.nn.softmax(net(x, training=training)))
        return -tf.reduce_mean(tf.gather(log_probabilities, y, batch_dims=1))

    return value


def of(part: str, arrays: Arrays = TABLE, training: bool = True) -> Loss:
    return nll(x_of(part, arrays), y_of(part), training)


def gradient(net: keras.Model, loss: Loss) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        value = loss(net)
    actual = tape.gradient(value, net.trainable_variables)
    return [gradient_of_weight.numpy() for gradient_of_weight in actual]


@dataclass
class Step:
    loss: Loss
    rate: float
    l1: float = 0.0


def by_hand(
    net: keras.Model,
    steps: Sequence[Step],
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    scale: Sequence[np.ndarray | float] | None = None,
) -> list[np.ndarray]:
    """The weights after steps of SGD as PyTorch has it; the model is left as it is."""
    net = copy_of(net)
    moments = [np.zeros_like(weight) for weight in trainable(net)]
    scale = [1.0] * len(moments) if scale is None else scale
    for step in steps:
        moves = zip(gradient(net, step.loss), trainable(net), moments, scale, strict=True)
        moments = [
            momentum * moment + factor * (slope + weight_decay * weight + step.l1 * np.sign(weight))
            for slope, weight, moment, factor in moves
        ]
        for variable, moment in zip(net.trainable_variables, moments, strict=True):
            variable.assign(variable.numpy() - step.rate * moment)
    return trainable(net)


def adam_by_hand(net: keras.Model, steps: Sequence[Step], weight_decay: float = 0.0) -> list[np.ndarray]:
    """The same with Adam as PyTorch has it: weight decay in the gradient, epsilon after the correction of the bias."""
    net = copy_of(net)
    m, v = ([np.zeros(weight.shape) for weight in trainable(net)] for _ in range(2))
    for count, step in enumerate(steps, start=1):
        for number, (slope, weight) in enumerate(zip(gradient(net, step.loss), trainable(net), strict=True)):
            decayed = slope.astype(np.float64) + weight_decay * weight
            m[number] = 0.9 * m[number] + 0.1 * decayed
            v[number] = 0.999 * v[number] + 0.001 * decayed**2
        for variable, first, second in zip(net.trainable_variables, m, v, strict=True):
            direction = first / (1 - 0.9**count) / (np.sqrt(second / (1 - 0.999**count)) + 1e-8)
            variable.assign(variable.numpy() - step.rate * direction)
    return trainable(net)


def cosine(rate: float, epochs: int) -> list[float]:
    return [rate * (1 + np.cos(np.pi * epoch / epochs)) / 2 for epoch in range(epochs)]


def smallest(array: np.ndarray, share: float) -> np.ndarray:
    """Marks this share of the smallest entries."""
    marked = np.zeros(array.size, bool)
    marked[np.argsort(array, axis=None)[: round(share * array.size)]] = True
    return marked.reshape(array.shape)


@dataclass
class Pass:
    """A call of `Descent.train`: what it was given, and the model's weights before and after."""

    examples: kit_examples.Examples
    rates: list[float]
    before: list[np.ndarray]
    after: list[np.ndarray] = field(default_factory=list)

    @property
    def targets(self) -> np.ndarray:
        assert self.examples.targets is not None
        actual: np.ndarray = self.examples.targets.numpy()
        return actual


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[Pass]:
    """What a method trains on; it trains all the same."""
    from kit.toolbox.training import Descent

    noted: list[Pass] = []
    train = Descent.train

    def note(descent: Descent, examples: kit_examples.Examples, rates: Any, *arguments: Any, **options: Any) -> None:
        net = descent._net
        noted.append(Pass(examples, [float(rate) for rate in rates], net.get_weights()))
        train(descent, examples, rates, *arguments, **options)
        noted[-1].after = net.get_weights()

    monkeypatch.setattr(Descent, "train", note)
    return noted


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> list[Pass]:
    """What a method would train on; it does not."""
    noted: list[Pass] = []

    def note(descent: Any, examples: kit_examples.Examples, rates: Any, *arguments: Any, **options: Any) -> None:
        noted.append(Pass(examples, [float(rate) for rate in rates], descent._net.get_weights()))

    monkeypatch.setattr("kit.toolbox.training.Descent.train", note)
    return noted


# gradient_ascent


def test_gradient_ascent_goes_up_the_gradient_of_forget() -> None:
    net = perceptron()
    uphill = [weight + 0.1 * slope for weight, slope in zip(trainable(net), gradient(net, of("forget")), strict=True)]
    start = float(of("forget")(net))
    assert_close(trainable(run("gradient_ascent", net, epochs=1, learning_rate=0.1)), uphill)
    assert float(of("forget")(net)) > start + 0.01


def test_gradient_ascent_has_momentum_and_no_weight_decay() -> None:
    net = perceptron()
    steps = [Step(lambda net: -of("forget")(net), rate) for rate in cosine(0.1, 4)]
    expected = by_hand(net, steps, momentum=0.8)
    assert_close(trainable(run("gradient_ascent", net, epochs=4, learning_rate=0.1, momentum=0.8)), expected)


# negative_gradient_plus


def test_a_step_of_negative_gradient_plus_is_that_of_the_sum_of_its_two_terms() -> None:
    net = perceptron()
    steps = [Step(lambda net: 0.7 * of("retain")(net) - 0.3 * of("forget")(net), rate) for rate in cosine(0.2, 3)]
    expected = by_hand(net, steps, momentum=0.9, weight_decay=0.05)
    settings: dict[str, Any] = {"epochs": 3, "learning_rate": 0.2, "momentum": 0.9, "weight_decay": 0.05, "share": 0.7}
    assert_close(trainable(run("negative_gradient_plus", net, **settings)), expected)


def test_forget_begins_anew_whenever_it_is_used_up_until_retain_is_through() -> None:
    """Each example has a feature of its own, whose weights tell how often it was shown."""
    arrays = Arrays(np.eye(15, dtype=np.float32), np.arange(15) % NUM_CLASSES)
    net = weighted(keras.Sequential([keras.Input((15,)), keras.layers.Dense(NUM_CLASSES)]))
    data = sets(arrays, 2, retain=np.arange(12), forget=np.arange(12, 15), validation=np.arange(15))
    kernel, bias = net.get_weights()
    once = (softmax(kernel + bias, axis=1) - np.eye(NUM_CLASSES)[arrays.y]) / 2 * 1e-3
    run("negative_gradient_plus", net, data, epochs=1, learning_rate=1e-3, momentum=0.0, weight_decay=0.0, share=0.5)
    moved = (net.get_weights()[0] - kernel) / once
    shown = np.where(np.arange(15) < 12, -2, 2)[:, np.newaxis] * moved  # half of each term; ascent on forget
    np.testing.assert_allclose(shown[:12], 1, rtol=0, atol=0.05)
    np.testing.assert_allclose(shown, np.rint(shown), rtol=0, atol=0.1)
    times = np.rint(shown[12:].mean(axis=1)).astype(int).tolist()
    assert sum(times) == 6 * 2
    assert sorted(times) == [4, 4, 4]


# random_labels


def test_random_labels_are_drawn_uniformly_from_all_classes_and_anew_in_each_epoch(untrained: list[Pass]) -> None:
    labels = np.random.default_rng(5).integers(0, NUM_CLASSES, 900)
    arrays = Arrays(np.random.default_rng(4).normal(size=(900, 4)), labels)
    data = sets(arrays, 50, retain=np.arange(300), forget=np.arange(300, 900), validation=np.arange(300))
    np.random.seed(0)
    run("random_labels", perceptron(), data, epochs=6)
    wrong, right = [[first.examples for first in untrained[start::2]] for start in (0, 1)]
    assert len(wrong) == len(right) == 6
    for first, second in zip(wrong, right, strict=True):
        np.testing.assert_array_equal(first.x, arrays.x[300:])
        np.testing.assert_array_equal(second.x, arrays.x[:300])
        np.testing.assert_array_equal(second.y, labels[:300])
    drawn = np.stack([first.y.numpy() for first in wrong])
    pairs = [labels[300:], *drawn]  # of the true labels and of any two epochs: each class with each is as likely
    for first, second in itertools.combinations(pairs, 2):
        counts = np.bincount(first * NUM_CLASSES + second, minlength=9).reshape(3, 3)
        shares = counts / counts.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(shares, 1 / 3, rtol=0, atol=0.12)
    assert chisquare(np.bincount(drawn.ravel(), minlength=NUM_CLASSES)).pvalue > 1e-3


def relabelled(drawn: Sequence[np.ndarray], rate: float) -> list[Step]:
    """An epoch with each of these labels of forget, and with the true ones of retain, along a cosine."""
    pairs = zip(drawn, cosine(rate, len(drawn)), strict=True)
    return [Step(loss, rate) for y, rate in pairs for loss in (nll(x_of("forget"), y), of("retain"))]


def test_random_labels_descends_on_forget_and_then_on_retain_with_one_momentum(passes: list[Pass]) -> None:
    net = perceptron()
    start = copy_of(net)
    run("random_labels", net, epochs=2, learning_rate=0.2, momentum=0.9, weight_decay=0.05)
    drawn = [batch.examples.y.numpy() for batch in passes[::2]]
    steps = relabelled(drawn, 0.2)
    assert_close(trainable(net), by_hand(start, steps, momentum=0.9, weight_decay=0.05))


# salun


def salient(net: keras.Model, share: float) -> list[np.ndarray]:
    """Booleans: the largest of all gradients of forget, over the whole network."""
    slopes = [np.abs(slope) for slope in gradient(net, of("forget", training=False))]
    flat = np.sort(np.concatenate([slope.ravel() for slope in slopes]))[::-1]
    return [slope >= flat[round(share * len(flat)) - 1] for slope in slopes]


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_salun_keeps_the_bits_of_what_the_forget_set_moves_least(share: float) -> None:
    net = perceptron()
    before, masks = trainable(net), salient(net, share)
    run("salun", net, epochs=3, learning_rate=0.05, momentum=0.9, weight_decay=0.5, share=share)
    assert sum(mask.sum() for mask in masks) == round(share * sum(array.size for array in before))
    for old, new, mask in zip(before, trainable(net), masks, strict=True):
        np.testing.assert_array_equal(new[~mask], old[~mask])
        assert (new[mask] != old[mask]).all()


def test_salun_is_relabelling_of_the_rest(passes: list[Pass]) -> None:
    net = perceptron()
    start, masks = copy_of(net), salient(net, 0.5)
    run("salun", net, epochs=2, learning_rate=0.2, momentum=0.9, weight_decay=0.05)
    drawn = [batch.examples.y.numpy() for batch in passes[::2]]
    assert (drawn[0] != drawn[1]).any()
    steps = relabelled(drawn, 0.2)
    assert_close(trainable(net), by_hand(start, steps, momentum=0.9, weight_decay=0.05, scale=masks))


# scrub


def divergence(part: str, teacher: np.ndarray, temperature: float) -> Loss:
    """T^2 times the mean KL from the teacher to the student."""
    target = softmax(teacher / temperature, axis=1)

    def value(net: keras.Model) -> tf.Tensor:
        own = tf.math.log(tf.nn.softmax(net(x_of(part), training=True) / temperature))
        return temperature**2 * tf.reduce_mean(tf.reduce_sum(target * (np.log(target) - own), axis=1))

    return value


@pytest.mark.parametrize(("temperature", "alpha", "gamma"), [(4.0, 0.5, 1.0), (1.0, 2.0, 0.3)])
def test_scrub_leaves_its_teacher_on_forget_for_a_while_and_follows_it_on_retain(
    temperature: float, alpha: float, gamma: float
) -> None:
    net = perceptron()
    teacher = {part: net(x_of(part)).numpy() for part in ("retain", "forget")}
    away, near = (divergence(part, teacher[part], temperature) for part in ("forget", "retain"))

    def towards(net: keras.Model) -> tf.Tensor:
        return alpha * near(net) + gamma * of("retain")(net)

    steps = []
    for epoch, rate in enumerate(cosine(0.15, 5)):
        steps += [Step(lambda net: -away(net), rate)] * (epoch < 2) + [Step(towards, rate)]
    expected = by_hand(net, steps, momentum=0.9, weight_decay=0.05)
    descent: dict[str, Any] = {"learning_rate": 0.15, "momentum": 0.9, "weight_decay": 0.05}
    formula: dict[str, Any] = {"alpha": alpha, "gamma": gamma, "temperature": temperature}
    run("scrub", net, epochs=5, max_epochs=2, rewind=False, **descent, **formula)
    assert_close(trainable(net), expected, 1e-4)
    moved = rel_entr(softmax(teacher["forget"], axis=1), softmax(net(x_of("forget")), axis=1)).sum(axis=1)
    assert moved.mean() > 0.005  # it has come a long way from its teacher


def error(net: keras.Model, weights: list[np.ndarray], numbers: np.ndarray) -> float:
    net = copy_of(net)
    net.set_weights(weights)
    return float(np.mean(net(TABLE.x[numbers]).numpy().argmax(axis=1) != TABLE.y[numbers]))


@pytest.mark.parametrize("rewind", [True, False])
def test_scrub_rewinds_to_the_student_that_errs_on_forget_as_the_last_one_does_on_unseen_examples(
    rewind: bool, passes: list[Pass]
) -> None:
    """Unseen examples of the forgotten classes: here only one."""
    forget = np.arange(20, 32)[TABLE.y[20:32] == 2]
    unseen = np.arange(32, 60)[TABLE.y[32:] == 2]
    net = perceptron()
    data = sets(forget=forget)
    run("scrub", net, data, epochs=10, max_epochs=5, learning_rate=0.2, rewind=rewind)
    students = [batch.after for batch in passes if len(batch.examples) == 20]  # at the end of each epoch
    errors = [error(net, weights, forget) for weights in students]
    away = np.abs(np.array(errors) - error(net, students[-1], unseen))
    nearest = int(away.argmin())
    of_all = int(np.abs(np.array(errors) - error(net, students[-1], NUMBERS["validation"])).argmin())
    assert len({nearest, of_all, 0, 9}) == 4, (errors, away)  # wrong rules would return another student
    returned = students[nearest if rewind else -1]
    assert bits(net) == [array.tobytes() for array in returned]


def test_scrub_rewinds_where_no_class_of_forget_is_in_validation() -> None:
    labels = np.where(np.arange(60) < 32, TABLE.y, 0)
    data = sets(Arrays(TABLE.x, labels), forget=np.arange(20, 32)[TABLE.y[20:32] > 0])
    net = run("scrub", perceptron(), data, epochs=1)
    assert all(np.isfinite(array).all() for array in net.get_weights())


# bad_teacher


def test_the_teacher_is_another_for_each_example_of_the_mixture(passes: list[Pass]) -> None:
    """The incompetent one is a random network, made as any fresh one, and gone before the student learns."""
    net = convolutional()
    start, data = net.get_weights(), sets(IMAGES)
    original = softmax(net(IMAGES.x).numpy(), axis=1)
    keras.utils.set_random_seed(3)
    run("bad_teacher", net, data, epochs=2, retain_share=0.5)
    keras.utils.set_random_seed(3)
    incompetent = softmax(keras.models.clone_model(net)(IMAGES.x).numpy(), axis=1)
    assert np.abs(incompetent - original).max() > 0.1
    (only,) = passes
    assert [array.tobytes() for array in only.before] == [array.tobytes() for array in start]
    rows = [int(np.flatnonzero((IMAGES.x == image).all(axis=(1, 2, 3)))[0]) for image in only.examples.x.numpy()]
    assert sorted(row for row in rows if row >= 20) == list(range(20, 32))
    assert len(rows) == len(set(rows)) == 12 + 10
    for row, targets in zip(rows, only.targets, strict=True):
        np.testing.assert_allclose(targets, (incompetent if row >= 20 else original)[row], rtol=0, atol=1e-6)


def test_the_incompetent_teacher_and_the_part_of_retain_are_another_at_each_run(untrained: list[Pass]) -> None:
    net = perceptron()
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        run("bad_teacher", net, retain_share=0.5)
    first, second = untrained
    of_forget = [seen.targets[np.isin(seen.examples.x.numpy(), x_of("forget")).all(axis=1)] for seen in (first, second)]
    assert len(of_forget[0]) == len(of_forget[1]) == 12
    assert np.abs(of_forget[0] - of_forget[1]).max() > 0.01
    assert {row.tobytes() for row in first.examples.x.numpy()} != {row.tobytes() for row in second.examples.x.numpy()}


def test_bad_teacher_takes_steps_of_adam_towards_both_teachers(passes: list[Pass]) -> None:
    net = perceptron()
    start = copy_of(net)
    run("bad_teacher", net, epochs=3, learning_rate=0.01, retain_share=0.4)
    x, targets = passes[0].examples.x.numpy(), passes[0].targets

    def from_teachers(net: keras.Model) -> tf.Tensor:
        own = tf.math.log(tf.nn.softmax(net(x, training=True)))
        return tf.reduce_mean(tf.reduce_sum(targets * (np.log(targets) - own), axis=1))

    assert len(x) == 12 + 8  # one batch
    steps = [Step(from_teachers, rate) for rate in cosine(0.01, 3)]
    assert_close(trainable(net), adam_by_hand(start, steps), 1e-5)


@pytest.mark.parametrize("num_forgotten", [2, 12])
def test_the_batches_of_the_mixture_are_those_of_the_challenge(num_forgotten: int, untrained: list[Pass]) -> None:
    run("bad_teacher", perceptron(), sets(batch_size=10, forget=np.arange(20, 20 + num_forgotten)))
    assert untrained[0].examples.batch_size == 10


def test_bad_teacher_mixes_images_of_8_bits_with_others() -> None:
    """The forget set may consist of examples that happen to be zeros and ones."""
    arrays = Arrays(np.where(np.arange(60)[:, np.newaxis] < 20, np.abs(TABLE.x) / 9, TABLE.x > 0), TABLE.y)
    net = perceptron()
    before = bits(net)
    assert bits(run("bad_teacher", net, sets(arrays))) != before


# ssd


def information(net: keras.Model, numbers: np.ndarray, expected: bool = False) -> list[np.ndarray]:
    """The mean squared gradient of single examples, one by one; or that over labels which the model expects."""
    total = [np.zeros(weight.shape) for weight in trainable(net)]
    for number in numbers:
        x = TABLE.x[number : number + 1]
        p = softmax(net(x).numpy(), axis=1)[0]
        for label in range(NUM_CLASSES) if expected else [TABLE.y[number]]:
            slopes = gradient(net, nll(x, np.array([label]), training=False))
            total = [
                value + (p[label] if expected else 1) * slope**2 for value, slope in zip(total, slopes, strict=True)
            ]
    return [value / len(numbers) for value in total]


@dataclass
class Informed:
    """A model, its weights, and what is known of them; to be traced once."""

    net: keras.Model
    of_forget: list[np.ndarray]
    of_all: list[np.ndarray]
    start: list[np.ndarray]


@pytest.fixture(scope="module")
def informed() -> Informed:
    net = perceptron()
    return Informed(net, information(net, NUMBERS["forget"]), information(net, np.arange(32)), trainable(net))


@pytest.mark.parametrize(("alpha", "dampening"), [(1.3, 1.0), (1.1, 0.5), (1.0, 1.0), (0.8, 1.05), (1e9, 1.0)])
def test_ssd_dampens_what_matters_more_to_forget_than_to_all_and_nothing_else(
    alpha: float, dampening: float, informed: Informed
) -> None:
    informed.net.set_weights(informed.start)
    after = trainable(run("ssd", informed.net, alpha=alpha, dampening=dampening))
    chosen: list[bool] = []
    for old, new, forgotten, overall in zip(informed.start, after, informed.of_forget, informed.of_all, strict=True):
        mask = forgotten > alpha * overall
        np.testing.assert_array_equal(new[~mask], old[~mask])
        factor = np.minimum(1, dampening * overall / forgotten)
        np.testing.assert_allclose(new[mask], (factor * old)[mask], rtol=1e-5)
        chosen += mask.ravel().tolist()
    assert (0 < sum(chosen) < len(chosen)) == (alpha < 10)


# fisher_forgetting


def noise(name: str, net: keras.Model, start: list[np.ndarray], seed: int, **settings: Any) -> list[np.ndarray]:
    net.set_weights(start)
    np.random.seed(seed)
    return [new - old for new, old in zip(trainable(run(name, net, **settings)), start, strict=True)]


def test_the_noise_of_fisher_forgetting_has_the_size_that_retain_can_bear() -> None:
    net = perceptron()
    start = net.get_weights()
    facts = information(net, NUMBERS["retain"], expected=True)
    drawn = []
    for seed in range(8):
        same = noise("fisher_forgetting", net, start, seed, alpha=1e6, largest_variance=1e-6)  # 1 for each weight
        actual = noise("fisher_forgetting", net, start, seed, alpha=1.0, largest_variance=30.0)
        drawn.append(np.concatenate(same, axis=None))
        for z, noise_drawn, of_weight in zip(same, actual, facts, strict=True):
            size = np.sqrt(np.minimum(1 / (of_weight + 1e-8), 30.0))  # the less information, the more noise
            np.testing.assert_allclose(noise_drawn, size * z, rtol=1e-3, atol=1e-5)
    below = np.concatenate(facts, axis=None) > 1 / 30
    assert 5 < below.sum() < len(below)  # some at the largest variance, some below it
    assert kstest(np.concatenate(drawn), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn) - np.eye(8)).max() < 0.6  # another noise at each run


# catastrophic_forgetting_k and exact_unlearning_k


@pytest.mark.parametrize("name", ["catastrophic_forgetting_k", "exact_unlearning_k"])
@pytest.mark.parametrize("kept", [1, 2, 3, 9])
def test_only_the_last_blocks_move_batch_statistics_included(name: str, kept: int) -> None:
    net = convolutional(dropout=0.3)
    flags = [layer.trainable for layer in net.layers]
    before = [bits_of(net, block) for block in BLOCKS]
    run(name, net, sets(IMAGES, 8), blocks_kept=kept, epochs=2)
    for number, (block, old) in enumerate(zip(BLOCKS, before, strict=True)):
        same = [first == second for first, second in zip(bits_of(net, block), old, strict=True)]
        assert set(same) == {number < 3 - kept}
    assert [layer.trainable for layer in net.layers] == flags
    assert len(net.trainable_variables) == 10


@pytest.mark.parametrize("kept", [1, 2])
def test_catastrophic_forgetting_k_is_descent_on_retain_of_the_last_blocks(kept: int) -> None:
    net = perceptron()
    steps = [Step(of("retain"), rate) for rate in cosine(0.3, 3)]
    scale = [0.0, 0.0, 1.0, 1.0] if kept == 1 else [1.0] * 4
    expected = by_hand(net, steps, momentum=0.9, weight_decay=0.05, scale=scale)
    settings: dict[str, Any] = {"epochs": 3, "learning_rate": 0.3, "momentum": 0.9, "weight_decay": 0.05}
    assert_close(trainable(run("catastrophic_forgetting_k", net, blocks_kept=kept, **settings)), expected)


@pytest.mark.parametrize("kept", [1, 2, 9])
def test_exact_unlearning_k_draws_the_last_blocks_anew(kept: int) -> None:
    net = convolutional()
    start, drawn = net.get_weights(), []
    for seed in (0, 1):
        net.set_weights(start)
        keras.utils.set_random_seed(seed)
        run("exact_unlearning_k", net, sets(IMAGES), blocks_kept=kept, epochs=0)
        drawn.append({name: net.get_layer(name).get_weights() for block in BLOCKS for name in block})
    net.set_weights(start)
    names = [name for block in BLOCKS[-kept:] for name in block]
    for name in drawn[0]:
        old, first, second = net.get_layer(name).get_weights(), drawn[0][name], drawn[1][name]
        if name not in names:
            assert all(
                np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(old, first, second, strict=True)
            )
        elif name.startswith("norm"):
            for array, value in zip(first, (1, 0, 0, 1), strict=True):
                np.testing.assert_array_equal(array, value)
        else:
            assert not np.isin(first[0], old[0]).any()
            assert not np.isin(first[0], second[0]).any()
            np.testing.assert_array_equal(first[1], 0)


def test_exact_unlearning_of_all_blocks_does_not_depend_on_the_original() -> None:
    values = []
    for seed in (0, 1):
        net = weighted(convolutional(), seed)
        keras.utils.set_random_seed(5)
        values.append(bits(run("exact_unlearning_k", net, sets(IMAGES), blocks_kept=9, epochs=2)))
    assert values[0] == values[1]


@pytest.mark.parametrize("name", ["catastrophic_forgetting_k", "exact_unlearning_k"])
def test_nothing_stays_frozen_after_an_error(name: str) -> None:
    net = perceptron()
    with pytest.raises(InputError, match="no batch"):
        run(name, net, sets(retain=np.arange(0)))
    assert all(layer.trainable for layer in net.layers)
    assert len(net.trainable_variables) == 4


# l1_sparse


def test_the_penalty_of_l1_sparse_fades_out_along_a_line() -> None:
    net = perceptron()
    rates = cosine(0.1, 4)
    steps = [Step(of("retain"), rate, 0.08 * (1 - epoch / 4)) for epoch, rate in enumerate(rates)]
    expected = by_hand(net, steps, momentum=0.9, weight_decay=0.05)
    run("l1_sparse", net, epochs=4, learning_rate=0.1, momentum=0.9, weight_decay=0.05, alpha=0.08)
    assert_close(trainable(net), expected)


def test_l1_sparse_leaves_more_weights_near_zero_than_fine_tuning() -> None:
    def near_zero(name: str, **settings: Any) -> int:
        net = run(name, perceptron(), epochs=60, learning_rate=0.1, **settings)
        return sum(int((np.abs(array) < 0.01).sum()) for array in trainable(net))

    assert near_zero("finetune") < 5 < 12 < near_zero("l1_sparse", alpha=0.05)


# weight_noise


def test_the_size_of_weight_noise_is_relative_to_the_spread_of_each_array() -> None:
    net = perceptron()
    net.get_layer("hidden").bias.assign(np.full(6, 0.7))  # no spread, no noise
    start = trainable(net)
    drawn = []
    for seed in range(8):
        ones = [np.resize(np.array([1, -1], np.float32), array.shape) for array in start[::2]]  # of spread 1
        same = noise("weight_noise", net, [ones[0], start[1], ones[1], start[3]], seed, sigma=1.0, epochs=0)[::2]
        actual = noise("weight_noise", net, start, seed, sigma=0.3, epochs=0)
        drawn.append(np.concatenate(same, axis=None))
        for z, noise_drawn, array in zip(same, actual[::2], start[::2], strict=True):
            np.testing.assert_allclose(noise_drawn, 0.3 * array.std() * z, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(actual[1], 0, rtol=0, atol=1e-6)
        assert (np.abs(actual[3]) > 0).all()
    assert kstest(np.concatenate(drawn), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn) - np.eye(8)).max() < 0.6  # another noise at each run


def test_weight_noise_is_tuned_away_on_retain() -> None:
    net = perceptron()
    steps = [Step(of("retain"), rate) for rate in cosine(0.2, 3)]
    expected = by_hand(net, steps, momentum=0.9, weight_decay=0.05)
    run("weight_noise", net, sigma=0.0, epochs=3, learning_rate=0.2, momentum=0.9, weight_decay=0.05)
    assert_close(trainable(net), expected)


# noisy_distillation


def test_the_noise_before_distillation_is_as_large_as_the_weights_of_each_array() -> None:
    net = perceptron()
    start = trainable(net)
    np.random.seed(4)
    expected = [weights + 0.7 * weights.std() * np.random.standard_normal(weights.shape) for weights in start]
    np.random.seed(4)
    assert_close(trainable(run("noisy_distillation", net, sigma=0.7, epochs=0)), expected)


def test_the_teacher_of_noisy_distillation_has_no_noise(untrained: list[Pass]) -> None:
    """And its student does not see forget, in batches of a size of its own."""
    net = perceptron()
    teacher = net(x_of("retain")).numpy()
    run("noisy_distillation", net, sigma=1.0, batch_size=5)
    (only,) = untrained
    np.testing.assert_array_equal(only.examples.x, x_of("retain"))
    np.testing.assert_allclose(only.targets, teacher, rtol=0, atol=1e-6)
    assert only.examples.batch_size == 5


def test_noisy_distillation_takes_steps_of_adam_towards_labels_and_teacher() -> None:
    net = perceptron()
    weighted(net, seed=1)  # of sharper logits than the usual ones, or the teacher would play no part
    near = divergence("retain", net(x_of("retain")).numpy(), 3.0)

    def towards(net: keras.Model) -> tf.Tensor:
        return 0.3 * near(net) + 0.7 * of("retain")(net)

    steps = [Step(towards, rate) for rate in (0.01, 0.02, *cosine(0.03, 3))]
    expected = adam_by_hand(net, steps)
    settings: dict[str, Any] = {"epochs": 5, "learning_rate": 0.03, "warm_up": 2, "alpha": 0.3, "temperature": 3.0}
    settings["batch_size"] = len(x_of("retain"))
    run("noisy_distillation", net, sigma=0.0, **settings)
    assert_close(trainable(net), expected, 1e-4)


# kernel_transpose


def test_kernel_transpose_swaps_height_and_width_of_convolutions_and_nothing_else() -> None:
    net = convolutional()
    before = net.get_weights()
    run("kernel_transpose", net, sets(IMAGES), epochs=0)
    turned, *others = net.get_weights()
    assert (turned != before[0]).any()
    for i, j in np.ndindex(3, 3):
        np.testing.assert_array_equal(turned[i, j], before[0][j, i])
    for first, second in zip(others, before[1:], strict=True):  # of the second convolution too: it is not square
        np.testing.assert_array_equal(first, second)


def test_kernel_transpose_tunes_on_retain() -> None:
    net = perceptron()  # without a convolution, that is all
    steps = [Step(of("retain"), rate) for rate in cosine(0.2, 3)]
    expected = by_hand(net, steps, momentum=0.9, weight_decay=0.05)
    run("kernel_transpose", net, epochs=3, learning_rate=0.2, momentum=0.9, weight_decay=0.05)
    assert_close(trainable(net), expected)


# random_mask


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_random_mask_zeroes_a_share_of_all_weights_but_those_of_normalisations(share: float) -> None:
    net = convolutional()
    start, masks = net.get_weights(), []
    norms = bits_of(net, ["norm_1", "norm_2"])
    for seed in range(10):
        net.set_weights(start)
        np.random.seed(seed)
        run("random_mask", net, sets(IMAGES), share=share, epochs=0)
        assert bits_of(net, ["norm_1", "norm_2"]) == norms
        zeroed = []
        for layer in (net.get_layer(name) for name in ("conv_1", "conv_2", "logits")):
            zeroed += [variable.numpy().ravel() == 0 for variable in layer.variables]
        changed = [new.ravel()[new.ravel() != 0] for new in net.get_weights()]
        assert np.isin(np.concatenate(changed), np.concatenate([array.ravel() for array in start])).all()
        masks.append(np.concatenate(zeroed))
    every = np.stack(masks)
    size = every.shape[1]
    assert (every[0] != every[1]).mean() == pytest.approx(
        2 * share * (1 - share), abs=0.12
    )  # independent of each other
    assert every.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / (10 * size)))


def test_random_mask_takes_steps_of_adam_as_pytorch_has_it() -> None:
    """Also where gradients are as small as epsilon, and it matters where that is added."""
    arrays = Arrays(TABLE.x * np.array([1.0, 1e-3, 1e-7, 1e-8]), TABLE.y)
    net = perceptron()
    loss = nll(arrays.x[:20], TABLE.y[:20])
    steps = [Step(loss, rate) for rate in cosine(0.01, 5)]
    expected = adam_by_hand(net, steps)
    assert_close(
        trainable(
            run("random_mask", copy_of(net), sets(arrays), share=0.0, epochs=5, learning_rate=0.01, weight_decay=0.0)
        ),
        expected,
    )
    decayed = adam_by_hand(net, steps, weight_decay=0.05)
    run("random_mask", net, sets(arrays), share=0.0, epochs=5, learning_rate=0.01, weight_decay=0.05)
    assert_close(trainable(net), decayed)


# smallest_gradient_reinit


def difference(net: keras.Model, arrays: Arrays) -> list[np.ndarray]:
    """Of the gradients of the first twenty examples and of the next twenty."""
    halves = (slice(0, 20), slice(20, 40))
    slopes = (gradient(net, nll(arrays.x[half], arrays.y[half], training=False)) for half in halves)
    return [np.abs(first - second) for first, second in zip(*slopes, strict=True)]


SEVENS = keras.initializers.Constant(7.0)
THIRDS = keras.initializers.Constant(0.3)
AS_MANY: dict[str, Any] = {"forget": np.arange(20, 40)}  # as many as retain, all of which are then compared with


def test_the_convolution_weights_with_the_smallest_difference_of_gradients_are_drawn_anew() -> None:
    net = convolutional(kernel_initializer=SEVENS)
    before = trainable(net)
    apart = difference(net, IMAGES)
    run("smallest_gradient_reinit", net, sets(IMAGES, **AS_MANY), share=0.3, epochs=0)
    for old, new, apart_of_weight in zip(before, trainable(net), apart, strict=True):
        drawn = smallest(apart_of_weight, 0.3) if old.ndim == 4 else np.zeros(old.shape, bool)
        np.testing.assert_array_equal(new, np.where(drawn, np.float32(7), old))


def test_without_a_convolution_dense_layers_are_drawn_anew() -> None:
    net = perceptron()
    before = trainable(net)
    apart = difference(net, TABLE)
    run("smallest_gradient_reinit", net, sets(**AS_MANY), share=0.25, epochs=0)
    for old, new, apart_of_weight in zip(before, trainable(net), apart, strict=True):
        drawn = smallest(apart_of_weight, 0.25) if old.ndim == 2 else np.zeros(old.shape, bool)
        np.testing.assert_array_equal(new != old, drawn)


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_what_is_drawn_anew_moves_faster_than_what_was_kept(share: float) -> None:
    net = convolutional(kernel_initializer=THIRDS)
    masks = [smallest(apart, share) for apart in difference(net, IMAGES)]
    start, scale = copy_of(net), []
    for variable, mask in zip(start.trainable_variables, masks, strict=True):
        convolution = len(variable.shape) == 4
        scale.append(np.where(mask, 1.0, 0.1) if convolution else 1.0)
        if convolution:
            variable.assign(np.where(mask, 0.3, variable.numpy()))
    steps = [Step(of("retain", IMAGES), 0.3 * factor) for factor in (1 / 3, 2 / 3, 1, 2 / 3, 1 / 3)]
    expected = by_hand(start, steps, momentum=0.9, weight_decay=0.05, scale=scale)
    settings: dict[str, Any] = {"epochs": 5, "learning_rate": 0.3, "momentum": 0.9, "weight_decay": 0.05, "others": 0.1}
    run("smallest_gradient_reinit", net, sets(IMAGES, **AS_MANY), share=share, **settings)
    assert_close(trainable(net), expected, 1e-4)


def test_forget_is_compared_with_as_many_retain_examples_another_choice_at_each_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[np.ndarray] = []
    mean_gradient = gradients.mean_gradient

    def note(net: keras.Model, examples: kit_examples.Examples, *arguments: Any) -> list[tf.Tensor]:
        compared.append(examples.x.numpy())
        return mean_gradient(net, examples, *arguments)

    monkeypatch.setattr(gradients, "mean_gradient", note)
    net = perceptron()
    for seed in (0, 1):
        np.random.seed(seed)
        run("smallest_gradient_reinit", net, epochs=0)
    rows = [{row.tobytes() for row in x} for x in compared if len(x) == 12]
    assert len(rows) == len(compared) == 4
    retain, forget = ({row.tobytes() for row in x_of(part)} for part in ("retain", "forget"))
    samples = [row for row in rows if row != forget]
    assert len(samples) == 2
    assert samples[0] != samples[1]
    assert all(sample < retain and len(sample) == 12 for sample in samples)
