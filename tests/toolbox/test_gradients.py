"""Gradients and products with curvature matrices against loops, finite differences and explicit matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kit.models.layers import FusedBatchNormalization, PaddedConv2D
from kit.toolbox import blocks, compiled, gradients
from kit.toolbox.examples import Examples
from kit.toolbox.gradients import Vector
from kit.toolbox.losses import Batch, cross_entropy, negated_cross_entropy, soft_cross_entropy

NUM_CLASSES = 3


def filled(net: keras.Model) -> keras.Model:
    """All weights and batch statistics drawn anew, so that nothing is 0 or 1 by chance."""
    generator = np.random.default_rng(3)
    for variable in net.weights:
        drawn = generator.normal(scale=0.5, size=variable.shape)
        variable.assign(0.5 + np.abs(drawn) if variable.path.endswith("variance") else drawn)
    return net


def smooth() -> keras.Model:
    """In float64, without a kink: 4 features, two hidden layers, 3 classes."""
    layers = [
        keras.layers.Dense(3, activation="tanh", dtype="float64"),
        keras.layers.Dense(3, activation="softplus", dtype="float64"),
        keras.layers.Dense(NUM_CLASSES, dtype="float64"),
    ]
    return filled(keras.Sequential([keras.Input((4,), dtype="float64"), *layers]))


def linear() -> keras.Model:
    logits = keras.layers.Dense(NUM_CLASSES, dtype="float64")
    return filled(keras.Sequential([keras.Input((4,), dtype="float64"), logits]))


def noisy() -> keras.Model:
    """Its outputs in training depend on chance and on the rest of the batch."""
    layers = [
        keras.layers.Dense(6, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5, seed=1),
        keras.layers.Dense(NUM_CLASSES),
    ]
    return filled(keras.Sequential([keras.Input((4,)), *layers]))


def convolutional() -> keras.Model:
    """What the zoo's networks are made of: PyTorch's convolution and batch normalisation, Keras's own, and dropout."""
    layers = [
        PaddedConv2D(3, 3, strides=2, zeros=1),
        FusedBatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Conv2D(4, 2, padding="same", activation="relu"),
        keras.layers.Dropout(0.5, seed=1),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(NUM_CLASSES),
    ]
    return filled(keras.Sequential([keras.Input((6, 6, 2)), *layers]))


NETS = {"smooth": smooth, "noisy": noisy, "convolutional": convolutional}


@pytest.fixture(autouse=True)
def batches_of_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise everything here would be a single batch."""
    monkeypatch.setattr(gradients, "_MOST_AT_ONCE", 1)


@pytest.fixture(scope="module")
def nets() -> dict[str, keras.Model]:
    """Traced once for many tests; who changes a weight or a flag puts it back."""
    return {name: build() for name, build in NETS.items()}


def some(net: keras.Model, num_examples: int, batch_size: int, seed: int = 5) -> Examples:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(num_examples, *net.input_shape[1:]))
    y = generator.integers(NUM_CLASSES, size=num_examples)
    return Examples(tf.constant(x, net.inputs[0].dtype), tf.constant(y, tf.int32), batch_size)


def mean_log_loss(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Written out: log of the sum of all exponentials, less the label's logit."""
    label = tf.reduce_sum(logits * tf.one_hot(y, NUM_CLASSES, dtype=logits.dtype), axis=-1)
    return tf.reduce_mean(tf.math.log(tf.reduce_sum(tf.exp(logits), axis=-1)) - label)


def plain_gradient(net: keras.Model, examples: Examples, *, training: bool = False) -> list[np.ndarray]:
    """All examples at once, not compiled."""
    with tf.GradientTape() as tape:
        loss = mean_log_loss(net(examples.x, training=training), examples.y)
    return [part.numpy() for part in tape.gradient(loss, [variable.value for variable in net.trainable_variables])]


def flat(vector: Sequence[Any]) -> np.ndarray:
    return np.concatenate([np.asarray(part).ravel() for part in vector])


def like_weights(net: keras.Model, entries: np.ndarray) -> Vector:
    """The other way round."""
    sizes = np.cumsum([int(np.prod(variable.shape)) for variable in net.trainable_variables])[:-1]
    return [
        tf.constant(part.reshape(variable.shape), variable.dtype)
        for part, variable in zip(np.split(entries, sizes), net.trainable_variables, strict=True)
    ]


def draw(net: keras.Model, seed: int = 0) -> np.ndarray:
    size = sum(int(np.prod(variable.shape)) for variable in net.trainable_variables)
    drawn: np.ndarray = np.random.default_rng(seed).normal(size=size)
    return drawn


def assert_close(actual: Sequence[Any], expected: Sequence[Any], tolerance: float) -> None:
    """By the largest entry: float32 is not exact to more than that."""
    assert [part.shape for part in actual] == [part.shape for part in expected]
    np.testing.assert_allclose(flat(actual), flat(expected), rtol=0, atol=tolerance * np.abs(flat(expected)).max())


# Gradients of sets


def test_small_images_go_together_beyond_their_batch_size(
    nets: dict[str, keras.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = nets["convolutional"]
    examples, calls = some(net, 13, 5), []
    in_batches = [gradients.mean_gradient(net, examples), gradients.fisher_diagonal(net, examples)]
    batches = gradients._batches
    monkeypatch.setattr(gradients, "_batches", lambda whole: calls.append(whole.batch_size) or batches(whole))
    for numbers, most, expected in ((2**18, 512, 512), (72 * 8, 512, 8), (2**18, 7, 7), (1, 512, 5)):
        monkeypatch.setattr(gradients, "_NUMBERS_AT_ONCE", numbers)
        monkeypatch.setattr(gradients, "_MOST_AT_ONCE", most)
        together = [gradients.mean_gradient(net, examples), gradients.fisher_diagonal(net, examples)]
        assert calls[-2:] == [expected, expected]
        for first, second in zip(in_batches, together, strict=True):
            assert_close(second, first, 1e-5)


@pytest.mark.parametrize(("num_examples", "batch_size"), [(12, 12), (12, 4), (13, 5), (3, 8)])
@pytest.mark.parametrize("name", NETS)
def test_the_mean_gradient_is_that_of_all_examples_at_once(
    nets: dict[str, keras.Model], name: str, num_examples: int, batch_size: int
) -> None:
    net = nets[name]
    examples = some(net, num_examples, batch_size)
    expected = plain_gradient(net, examples)
    assert_close(gradients.mean_gradient(net, examples), expected, 1e-5)
    ascent = gradients.mean_gradient(net, examples, negated_cross_entropy)
    assert_close(ascent, [-part for part in expected], 1e-5)


@pytest.mark.parametrize("name", ["noisy", "convolutional"])
def test_the_networks_of_these_tests_have_another_gradient_in_training(nets: dict[str, keras.Model], name: str) -> None:
    net = NETS[name]()
    examples = some(net, 12, 4)
    in_training, expected = plain_gradient(net, examples, training=True), plain_gradient(nets[name], examples)
    assert np.abs(flat(in_training) - flat(expected)).max() > 0.1 * np.abs(flat(expected)).max()


def test_the_gradient_of_softmax_regression_by_hand() -> None:
    net = linear()
    examples = some(net, 13, 5)
    x, labels, (kernel, bias) = examples.x.numpy(), examples.y.numpy(), net.get_weights()
    p = np.exp(x @ kernel + bias)
    p /= p.sum(axis=1, keepdims=True)
    away = p - np.eye(NUM_CLASSES)[labels]
    assert_close(gradients.mean_gradient(net, examples), [x.T @ away / 13, away.mean(axis=0)], 1e-12)


def test_targets_are_cut_into_batches_with_their_examples(nets: dict[str, keras.Model]) -> None:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(NUM_CLASSES)])
    examples = some(net, 13, 5)
    targets = np.random.default_rng(0).dirichlet(np.ones(NUM_CLASSES), size=13)
    x, (kernel, bias) = examples.x.numpy(), net.get_weights()
    p = np.exp(x @ kernel + bias)
    p /= p.sum(axis=1, keepdims=True)
    actual = gradients.mean_gradient(net, examples.with_targets(targets), soft_cross_entropy)
    assert_close(actual, [x.T @ (p - targets) / 13, (p - targets).mean(axis=0)], 1e-5)


def test_eight_bit_images_are_scaled(nets: dict[str, keras.Model]) -> None:
    net = nets["convolutional"]
    pixels = np.random.default_rng(0).integers(256, size=(7, 6, 6, 2), dtype=np.uint8)
    y = tf.constant(np.arange(7) % NUM_CLASSES, tf.int32)
    scaled = Examples(tf.constant(pixels / np.float32(255)), y, 7)
    actual = gradients.mean_gradient(net, Examples(tf.constant(pixels), y, 4))
    assert_close(actual, plain_gradient(net, scaled), 1e-5)


def test_an_embedding_has_a_gradient_for_each_row_and_an_unused_variable_has_zeros() -> None:
    class WithUnused(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.unused = self.add_weight(shape=(2,), name="unused")

        def call(self, x: tf.Tensor) -> tf.Tensor:
            return x

    layers = [keras.layers.Embedding(6, 4), keras.layers.Flatten(), WithUnused(), keras.layers.Dense(NUM_CLASSES)]
    net = filled(keras.Sequential([keras.Input((3,), dtype="int32"), *layers]))
    words = np.random.default_rng(0).integers(5, size=(7, 3))  # the last is never used
    examples = Examples(tf.constant(words, tf.int32), tf.constant(np.arange(7) % NUM_CLASSES, tf.int32), 3)
    table, unused, _, _ = actual = gradients.mean_gradient(net, examples)
    assert np.array_equal(unused, [0, 0])
    assert np.array_equal(table[5], np.zeros(4))
    weight: np.ndarray = np.random.default_rng(1).normal(size=24)

    def loss_at(change: float) -> float:
        first = net.trainable_variables[0]
        before = first.numpy()
        first.assign(before + change * weight.reshape(6, 4))
        loss = float(mean_log_loss(tf.cast(net(examples.x), tf.float64), examples.y))
        first.assign(before)
        return loss

    slope = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2
    assert flat(actual[:1]) @ weight == pytest.approx(slope, rel=1e-3)


def test_frozen_layers_are_left_out(nets: dict[str, keras.Model]) -> None:
    net = nets["noisy"]
    examples = some(net, 13, 5)
    whole = gradients.mean_gradient(net, examples)
    with blocks.frozen_but(net, blocks.last_blocks(net, 1)):
        assert_close(gradients.mean_gradient(net, examples), whole[-2:], 1e-6)
        assert_close(gradients.fisher_diagonal(net, examples), looped_fisher(net, examples, expected=False), 1e-5)
        vector = gradients.gauss_newton_product(net, examples)(whole[-2:])
    assert_close(gradients.mean_gradient(net, examples), whole, 1e-6)
    zeros = [tf.zeros_like(part) for part in whole[:-2]]
    assert_close(vector, gradients.gauss_newton_product(net, examples)([*zeros, *whole[-2:]])[-2:], 1e-5)


# Gradients of single examples


def looped_fisher(net: keras.Model, examples: Examples, *, expected: bool) -> list[np.ndarray]:
    """One example and one label after the other."""
    total = [np.zeros(variable.shape) for variable in net.trainable_variables]
    for x, y in zip(examples.x.numpy(), examples.y.numpy(), strict=True):
        logits = net(x[np.newaxis], training=False).numpy()[0].astype(np.float64)
        p = np.exp(logits) / np.exp(logits).sum()
        for label, weight in enumerate(p) if expected else [(y, 1.0)]:
            alone = Examples(tf.constant(x[np.newaxis]), tf.constant([label], tf.int32), 1)
            squares = [weight * part.astype(np.float64) ** 2 for part in plain_gradient(net, alone)]
            total = [sum_ + part for sum_, part in zip(total, squares, strict=True)]
    return [part / len(examples) for part in total]


IMAGE, SENTENCE = (5, 6, 2), (4, 3)
LAYERS: dict[str, tuple[tuple[int, ...], Callable[[], list[keras.layers.Layer]]]] = {
    "strides": (IMAGE, lambda: [keras.layers.Conv2D(4, 3, strides=2, padding="same")]),
    "uneven": (IMAGE, lambda: [keras.layers.Conv2D(4, (2, 3), strides=(2, 1), use_bias=False)]),
    "dilation": (IMAGE, lambda: [keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="tanh")]),
    "few pixels": ((2, 2, 2), lambda: [PaddedConv2D(4, 3, strides=2, zeros=1), PaddedConv2D(4, 3, zeros=1)]),
    "one by one": (IMAGE, lambda: [keras.layers.Conv2D(4, 1), FusedBatchNormalization(scale=False)]),
    "no center": (IMAGE, lambda: [keras.layers.BatchNormalization(center=False)]),
    "a row of words": (SENTENCE, lambda: [keras.layers.Dense(4, activation="gelu"), keras.layers.BatchNormalization()]),
    "depthwise": (IMAGE, lambda: [keras.layers.DepthwiseConv2D(3)]),
    "layer normalisation": (SENTENCE, lambda: [keras.layers.LayerNormalization()]),
    "axis": (IMAGE, lambda: [keras.layers.BatchNormalization(axis=1)]),
    "nested": (IMAGE, lambda: [keras.Sequential([keras.Input(IMAGE), keras.layers.Conv2D(4, 3)])]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_fisher_diagonal_of_all_kinds_of_layers(name: str) -> None:
    shape, layers = LAYERS[name]
    end = [keras.layers.Flatten(), keras.layers.Dense(NUM_CLASSES)]
    net = filled(keras.Sequential([keras.Input(shape), *layers(), *end]))
    examples = some(net, 5, 3)
    assert_close(gradients.fisher_diagonal(net, examples), looped_fisher(net, examples, expected=False), 1e-5)


def test_the_fisher_diagonal_of_a_layer_that_is_called_twice() -> None:
    inputs, shared = keras.Input((4,)), keras.layers.Dense(4, activation="tanh")
    net = filled(keras.Model(inputs, keras.layers.Dense(NUM_CLASSES)(shared(shared(inputs)))))
    examples = some(net, 5, 3)
    assert_close(gradients.fisher_diagonal(net, examples), looped_fisher(net, examples, expected=False), 1e-5)


def test_the_fisher_diagonal_of_two_branches_that_meet() -> None:
    inputs = keras.Input((6, 6, 2))
    first = keras.layers.Conv2D(2, 3, padding="same", activation="relu")(inputs)
    second = keras.layers.Conv2D(2, 1)(keras.layers.Add()([first, inputs]))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Concatenate()([second, first]))
    net = filled(keras.Model(inputs, keras.layers.Dense(NUM_CLASSES)(pooled)))
    examples = some(net, 5, 3)
    assert_close(gradients.fisher_diagonal(net, examples), looped_fisher(net, examples, expected=False), 1e-5)


@pytest.mark.slow
@pytest.mark.half_precision
def test_bfloat16_gives_float32_that_are_roughly_right() -> None:
    """Weights are float32, what is computed is not."""

    def build() -> keras.Model:
        images = [PaddedConv2D(3, 3, zeros=1), FusedBatchNormalization(), keras.layers.Flatten()]
        dense = [keras.layers.Dense(6, activation="tanh"), keras.layers.BatchNormalization()]
        return filled(keras.Sequential([keras.Input((4, 4, 2)), *images, *dense, keras.layers.Dense(NUM_CLASSES)]))

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rough = build()
    finally:
        keras.config.set_dtype_policy(before)
    exact = build()
    x, vector = np.random.default_rng(0).normal(size=(13, 4, 4, 2)), like_weights(exact, draw(exact))
    examples = Examples(tf.constant(x, tf.float32), tf.constant(np.arange(13) % NUM_CLASSES, tf.int32), 5)
    for function in (
        gradients.mean_gradient,
        lambda net, some: gradients.gauss_newton_product(net, some)(vector),
        gradients.fisher_diagonal,
    ):
        actual, expected = (flat(function(net, examples)) for net in (rough, exact))
        assert actual.dtype == np.float32
        assert 0 < relative_error(actual, expected) < 0.05


@pytest.mark.parametrize("expected", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_the_fisher_diagonal_is_a_loop_over_single_examples(
    nets: dict[str, keras.Model], name: str, expected: bool
) -> None:
    net = nets[name]
    examples = some(net, 7, 3)
    actual = gradients.fisher_diagonal(net, examples, expected=expected)
    assert_close(actual, looped_fisher(net, examples, expected=expected), 1e-5)


def test_the_expected_fisher_information_asks_for_no_labels(nets: dict[str, keras.Model]) -> None:
    net = nets["smooth"]
    examples = some(net, 7, 3)
    others = examples.labelled((examples.y.numpy() + 1) % NUM_CLASSES)
    first, second = (gradients.fisher_diagonal(net, both, expected=True) for both in (examples, others))
    assert flat(first).tolist() == flat(second).tolist()
    first, second = (gradients.fisher_diagonal(net, both) for both in (examples, others))
    assert flat(first).tolist() != flat(second).tolist()


def test_the_expected_fisher_information_is_the_diagonal_of_gauss_newton(nets: dict[str, keras.Model]) -> None:
    net = nets["smooth"]
    examples = some(net, 7, 3)
    product = gradients.gauss_newton_product(net, examples)
    size = len(draw(net))
    diagonal = [flat(product(like_weights(net, np.eye(size)[number])))[number] for number in range(size)]
    assert_close([flat(gradients.fisher_diagonal(net, examples, expected=True))], [np.array(diagonal)], 1e-12)


# Curvature


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def moved(net: keras.Model, direction: np.ndarray, change: float, function: Callable[[], np.ndarray]) -> np.ndarray:
    """What a function gives with other weights, which are put back."""
    before = [variable.numpy() for variable in net.trainable_variables]
    for variable, part in zip(net.trainable_variables, like_weights(net, direction), strict=True):
        variable.assign_add(change * part)
    actual = function()
    for variable, array in zip(net.trainable_variables, before, strict=True):
        variable.assign(array)
    return actual


def differentiated(net: keras.Model, direction: np.ndarray, function: Callable[[], np.ndarray]) -> np.ndarray:
    """Central differences of the fourth order."""
    at = {step: moved(net, direction, 1e-3 * step, function) for step in (-2, -1, 1, 2)}
    slopes: np.ndarray = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / 12e-3
    return slopes


@pytest.mark.parametrize(("loss", "sign"), [(cross_entropy, 1), (negated_cross_entropy, -1)])
def test_the_hessian_is_how_gradients_change(
    nets: dict[str, keras.Model], loss: Callable[[Batch], tf.Tensor], sign: int
) -> None:
    net = nets["smooth"]
    examples = some(net, 13, 5)
    product = gradients.hessian_product(net, examples, loss)
    for seed in range(3):
        direction = draw(net, seed)
        expected = sign * differentiated(net, direction, lambda: flat(plain_gradient(net, examples)))
        actual = flat(product(like_weights(net, direction)))
        assert actual.dtype == np.float64
        assert relative_error(actual, expected) < 1e-9


def smooth_logits(weights: np.ndarray, net: keras.Model, x: np.ndarray) -> np.ndarray:
    """What `smooth` computes, in NumPy."""
    first, first_bias, second, second_bias, last, last_bias = (part.numpy() for part in like_weights(net, weights))
    logits: np.ndarray = np.logaddexp(0, np.tanh(x @ first + first_bias) @ second + second_bias) @ last + last_bias
    return logits


def jacobian(net: keras.Model, x: tf.Tensor) -> np.ndarray:
    """(examples, classes, weights), by finite differences."""
    weights, columns = flat(net.get_weights()), []
    np.testing.assert_allclose(smooth_logits(weights, net, x.numpy()), net(x), rtol=1e-12)
    for direction in np.eye(len(weights)):
        at = {step: smooth_logits(weights + 1e-3 * step * direction, net, x.numpy()) for step in (-2, -1, 1, 2)}
        columns.append((8 * (at[1] - at[-1]) - (at[2] - at[-2])) / 12e-3)
    return np.stack(columns, axis=-1)


def explicit_gauss_newton(net: keras.Model, examples: Examples) -> np.ndarray:
    derivatives = jacobian(net, examples.x)
    p = np.exp(net(examples.x).numpy())
    p /= p.sum(axis=1, keepdims=True)
    total = np.zeros(derivatives.shape[-1:] * 2)
    for derivative, of_classes in zip(derivatives, p, strict=True):
        total += derivative.T @ (np.diag(of_classes) - np.outer(of_classes, of_classes)) @ derivative
    return total / len(examples)


def as_matrix(net: keras.Model, product: gradients.Product) -> np.ndarray:
    return np.stack([flat(product(like_weights(net, direction))) for direction in np.eye(len(draw(net)))], axis=1)


def test_gauss_newton_is_what_its_formula_says(nets: dict[str, keras.Model]) -> None:
    net = nets["smooth"]
    examples = some(net, 7, 4)
    matrix = as_matrix(net, gradients.gauss_newton_product(net, examples))
    assert relative_error(matrix, explicit_gauss_newton(net, examples)) < 1e-9
    assert relative_error(matrix, matrix.T) < 1e-12
    assert np.linalg.eigvalsh(matrix).min() > -1e-12 * np.abs(matrix).max()
    assert relative_error(matrix, as_matrix(net, gradients.hessian_product(net, examples))) > 0.1  # another matrix


def test_the_hessian_of_a_network_has_negative_eigenvalues(nets: dict[str, keras.Model]) -> None:
    net = nets["smooth"]
    matrix = as_matrix(net, gradients.hessian_product(net, some(net, 13, 5)))
    assert relative_error(matrix, matrix.T) < 1e-12
    assert np.linalg.eigvalsh(matrix).min() < -1e-3


def test_without_hidden_layers_gauss_newton_is_the_hessian() -> None:
    net = linear()
    examples = some(net, 13, 5)
    first, second = (
        as_matrix(net, of(net, examples)) for of in (gradients.hessian_product, gradients.gauss_newton_product)
    )
    assert relative_error(first, second) < 1e-12


@pytest.mark.parametrize("name", ["noisy", "convolutional"])
def test_products_are_those_of_inference_and_of_all_examples_at_once(nets: dict[str, keras.Model], name: str) -> None:
    net = nets[name]
    vector = like_weights(net, draw(net))
    short, whole = some(net, 13, 5), some(net, 13, 13)
    for product in (gradients.gauss_newton_product, gradients.hessian_product):
        assert_close(product(net, short)(vector), [part.numpy() for part in product(net, whole)(vector)], 1e-5)
    with tf.autodiff.ForwardAccumulator([part.value for part in net.trainable_variables], vector) as along:
        logits = net(whole.x, training=False)
    p, change = tf.nn.softmax(logits).numpy().astype(np.float64), along.jvp(logits).numpy().astype(np.float64)
    expected = (p * change**2).sum(axis=1) - (p * change).sum(axis=1) ** 2  # v^T G v is a variance
    actual = flat(vector) @ flat(gradients.gauss_newton_product(net, short)(vector))
    assert actual == pytest.approx(expected.mean(), rel=1e-4)


# What must stay as it is


class CountedLoss:
    """Counts how often it is traced."""

    def __init__(self) -> None:
        self.traces = 0

    def __call__(self, batch: Batch) -> tf.Tensor:
        self.traces += 1
        return cross_entropy(batch)


@pytest.mark.parametrize("build", [noisy, convolutional])
def test_nothing_changes_the_model_and_another_set_is_not_traced_again(build: Callable[[], keras.Model]) -> None:
    net, loss = build(), CountedLoss()
    before = [keras.ops.convert_to_numpy(variable).tobytes() for variable in net.variables]
    assert len(net.variables) > len(net.weights)  # dropout has a state
    vector = like_weights(net, draw(net))
    for num_examples, batch_size in ((13, 5), (8, 8), (3, 64), (1, 1)):
        examples = some(net, num_examples, batch_size)
        gradients.mean_gradient(net, examples, loss)
        for expected in (False, True):
            gradients.fisher_diagonal(net, examples, expected=expected)
        gradients.hessian_product(net, examples, loss)(vector)
        gradients.gauss_newton_product(net, examples)(vector)
    assert [keras.ops.convert_to_numpy(variable).tobytes() for variable in net.variables] == before
    assert (len(compiled.functions(net)), compiled.traces(net)) == (5, 5)
    assert loss.traces == 2


def test_what_is_compiled_sees_new_weights(nets: dict[str, keras.Model]) -> None:
    net = nets["noisy"]
    examples = some(net, 13, 5)
    vector = like_weights(net, draw(net))

    def all_of_them() -> list[np.ndarray]:
        gauss_newton, hessian = gradients.gauss_newton_product(net, examples), gradients.hessian_product(net, examples)
        actual = [gradients.mean_gradient(net, examples), gradients.fisher_diagonal(net, examples)]
        return [flat(first) for first in (*actual, gauss_newton(vector), hessian(vector))]

    before, weights = all_of_them(), net.get_weights()
    net.set_weights([np.abs(array) / 2 + 0.1 for array in weights])
    again = all_of_them()
    assert_close([again[0]], [flat(plain_gradient(net, examples))], 1e-5)
    assert all(np.abs(first - second).max() > 0.01 for first, second in zip(before, again, strict=True))
    net.set_weights(weights)
    assert [first.tobytes() for first in all_of_them()] == [first.tobytes() for first in before]


# Solving


def split_up(vector: np.ndarray) -> Vector:
    """As if of two variables."""
    return [tf.constant(vector[:6].reshape(2, 3)), tf.constant(vector[6:])]


class Counted:
    """A product with a matrix that counts its calls."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix
        self.calls = 0

    def __call__(self, vector: Vector) -> Vector:
        self.calls += 1
        return split_up(self.matrix @ flat(vector))


@pytest.mark.parametrize("damping", [1e-3, 0.1, 10.0])
def test_conjugate_gradient_solves(damping: float) -> None:
    generator = np.random.default_rng(0)
    root, target = generator.normal(size=(20, 20)), generator.normal(size=20)
    product = Counted(root @ root.T)
    solved = gradients.conjugate_gradient(product, split_up(target), damping=damping, iterations=100)
    expected = np.linalg.solve(product.matrix + damping * np.eye(20), target)
    earlier = gradients.conjugate_gradient(product, split_up(target), damping=damping, iterations=product.calls - 1)
    last, before = (
        np.linalg.norm((product.matrix + damping * np.eye(20)) @ flat(solution) - target) / np.linalg.norm(target)
        for solution in (solved, earlier)
    )
    assert last <= 1.01e-6  # rounding
    assert before > 0.99e-6  # not a step too many
    assert relative_error(flat(solved), expected) < 1e-6 * np.linalg.cond(product.matrix + damping * np.eye(20))


def test_conjugate_gradient_takes_a_step_for_each_eigenvalue_and_then_stops() -> None:
    generator = np.random.default_rng(1)
    basis, _ = np.linalg.qr(generator.normal(size=(20, 20)))
    product = Counted((basis * np.repeat([1.0, 2.0, 5.0, 0.0], 5)) @ basis.T)
    target = generator.normal(size=20)
    solved = gradients.conjugate_gradient(product, split_up(target), damping=0.5, iterations=50)
    assert product.calls == 4
    assert relative_error(flat(solved), np.linalg.solve(product.matrix + 0.5 * np.eye(20), target)) < 1e-8


def test_conjugate_gradient_takes_no_more_steps_than_asked() -> None:
    generator = np.random.default_rng(2)
    root, target = generator.normal(size=(20, 20)), generator.normal(size=20)
    matrix = root @ root.T + 0.1 * np.eye(20)
    errors, exact = [], np.linalg.solve(matrix, target)
    for iterations in (0, 1, 5, 10, 15):
        product = Counted(root @ root.T)
        solved = flat(gradients.conjugate_gradient(product, split_up(target), damping=0.1, iterations=iterations))
        assert product.calls == iterations
        errors.append((solved - exact) @ matrix @ (solved - exact))
        assert iterations > 0 or not solved.any()
        if iterations == 1:  # steepest descent
            np.testing.assert_allclose(solved, target @ target / (target @ matrix @ target) * target, rtol=1e-12)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 10


def test_conjugate_gradient_gives_zeros_for_zeros() -> None:
    product = Counted(np.eye(20))
    solved = gradients.conjugate_gradient(product, split_up(np.zeros(20)), damping=0.1, iterations=5)
    assert flat(solved).tolist() == [0.0] * 20
    assert product.calls == 0


def test_scalar_product_and_sum() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=20), generator.normal(size=20)
    assert float(gradients.dot(split_up(first), split_up(second))) == pytest.approx(first @ second, rel=1e-12)
    np.testing.assert_allclose(
        flat(gradients.plus(split_up(first), split_up(second), -0.3)), first - 0.3 * second, rtol=1e-12
    )


# Masks


def mask_by_hand(values: np.ndarray, share: float) -> np.ndarray:
    """Of equal ones, the first come first."""
    mask = np.zeros(len(values), np.float32)
    mask[np.lexsort((np.arange(len(values)), -values))[: round(share * len(values))]] = 1
    return mask


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.3, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("kind", ["distinct", "ties", "zeros", "negative"])
def test_the_largest_entries_are_marked(kind: str, share: float) -> None:
    generator = np.random.default_rng(4)
    values = {
        "distinct": generator.permutation(20).astype(np.float32),
        "ties": generator.integers(3, size=20).astype(np.float32),
        "zeros": np.zeros(20, np.float32),
        "negative": -np.abs(generator.normal(size=20)).astype(np.float32),
    }[kind]
    masks = gradients.largest(split_up(values), share)
    assert [(mask.shape, mask.dtype) for mask in masks] == [((2, 3), tf.float32), ((14,), tf.float32)]
    assert flat(masks).tolist() == mask_by_hand(values, share).tolist()
    assert flat(masks).sum() == round(share * 20)


@pytest.mark.parametrize("seed", range(5))
def test_a_permutation_of_entries_permutes_the_mask(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values, order = generator.normal(size=20), generator.permutation(20)
    first, second = (flat(gradients.largest(split_up(array), 0.35)) for array in (values, values[order]))
    assert first[order].tolist() == second.tolist()
    assert values[first == 1].min() > values[first == 0].max()
