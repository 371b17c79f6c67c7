"""Several phases of a training: Keras's own steps, `trainable` set and compiled again between them, are the oracle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from kit.challenges import recipes
from kit.toolbox import checkpoints, compiled, costs, training
from kit.toolbox.examples import batches
from kit.types import Arrays, InputError, Recipe

X = np.random.default_rng(0).normal(size=(13, 6)).astype(np.float32)
Y = (np.arange(13) % 3).astype(np.int32)
HEAD = Recipe(2, 0.01, 0.0, 0.0, "constant", optimizer="adam", frozen=("base",))
WHOLE = Recipe(3, 0.1, 0.9, 0.0, "constant", earlier=(HEAD,))


def model() -> keras.Model:
    """A nested base with a normalisation, and a head; the same weights at each call."""
    hidden = keras.layers.Dense(5, activation="relu", name="hidden")
    norm = keras.layers.BatchNormalization(momentum=0.5, name="norm")
    base = keras.Sequential([keras.Input((6,)), hidden, norm], name="base")
    net = keras.Sequential([keras.Input((6,)), base, keras.layers.Dense(3, name="head")])
    generator = np.random.default_rng(1)
    net.set_weights([generator.uniform(0.1, 0.6, array.shape) for array in net.get_weights()])
    return net


def data() -> object:
    return batches(Arrays(X, Y), np.arange(13), 8)


def test_steps_are_those_of_keras_compiled_again_in_each_phase() -> None:
    net, theirs = model(), model()
    start = net.get_weights()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizers = [keras.optimizers.Adam(0.01, epsilon=1e-8), keras.optimizers.SGD(0.1, 0.9)]
    after_first: list[np.ndarray] = []
    for number, (phase, optimizer) in enumerate(zip(WHOLE.phases, optimizers, strict=True)):
        theirs.get_layer("base").trainable = number == 1
        theirs.compile(optimizer, loss, run_eagerly=True)
        orders = np.random.default_rng(training._seed_of_phase(7, number))
        for _ in range(phase.epochs):
            order = orders.permutation(13)
            for batch in (order[:8], order[8:]):
                theirs.train_on_batch(X[batch], Y[batch])
        after_first = after_first or theirs.get_weights()
    training.fit(net, data(), WHOLE, seed=7)
    for mine, expected in zip(net.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-5)
    # The base stood still at first, its statistics too, and moved then.
    assert all(np.array_equal(*pair) for pair in zip(start[:6], after_first[:6], strict=True))
    assert all(np.abs(old - new).max() > 1e-3 for old, new in zip(start, net.get_weights(), strict=True))


def test_examples_of_all_phases_count_and_nothing_is_compiled_again() -> None:
    net = model()
    with costs.counted() as counter:
        training.fit(net, data(), WHOLE, seed=7)
    assert counter.backward == 5 * 13 == WHOLE.total_epochs * 13
    flags, traces = [layer.trainable for layer in net.layers], compiled.traces(net)
    training.fit(net, data(), WHOLE, seed=8)
    assert compiled.traces(net) == traces
    assert [layer.trainable for layer in net.layers] == flags == [True, True]


def test_one_phase_has_the_bits_that_it_had() -> None:
    """Of a phase that comes first, and of a training in one phase, which is what it was before there were several."""
    first, alone = model(), model()
    training.fit(alone, data(), HEAD, seed=7)
    training.fit(first, data(), replace(WHOLE, epochs=0), seed=7)
    np.testing.assert_equal(first.get_weights(), alone.get_weights())


def test_trainable_is_the_complement_of_frozen_and_reaches_into_nested_models() -> None:
    nets = [model() for _ in range(3)]
    choices = [{"frozen": ("base/hidden", "norm")}, {"trainable": ("head",)}, {"frozen": ("base",)}]
    for net, choice in zip(nets, choices, strict=True):
        training.fit(net, data(), Recipe(2, 0.1, schedule="constant", **choice), seed=7)
    for other in nets[1:]:
        np.testing.assert_equal(other.get_weights(), nets[0].get_weights())


@pytest.mark.parametrize(
    "interrupted_after", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)]
)
def test_an_interrupted_training_goes_on_in_its_phase(
    interrupted_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "_LARGEST_SHARE", 1e9)
    monkeypatch.setattr(training, "_LONGEST_CALL", 1)  # an epoch a call
    monkeypatch.setattr(training, "_FIRST_CALL", 1)
    undisturbed, path, kept = model(), tmp_path / "training.npz", 0
    training.fit(undisturbed, data(), WHOLE, seed=7)
    real = checkpoints.Keeper.keep

    def keep(self: checkpoints.Keeper, epochs: int, *, last: bool) -> None:
        nonlocal kept
        real(self, epochs, last=last)
        kept += 1
        if kept == interrupted_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.Keeper, "keep", keep)
    with pytest.raises(KeyboardInterrupt):
        training.fit(model(), data(), WHOLE, seed=7, checkpoint=path)
    kept = 10
    again = model()
    with costs.counted() as counter:
        training.fit(again, data(), WHOLE, seed=7, checkpoint=path)
    np.testing.assert_equal(again.get_weights(), undisturbed.get_weights())
    assert counter.backward == (5 - interrupted_after) * 13
    assert checkpoints.earlier_seconds(path) > 0


def test_an_unknown_layer_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"no layer called 'bas'.*base, base/hidden, base/norm, head.*Correct"):
        training.fit(model(), data(), Recipe(1, frozen=("bas",)), seed=7)


# What a recipe says


def test_a_file_has_a_table_for_each_phase(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        "optimizer = 'adam'\nbatch_size = 8\n[[phase]]\nepochs = 2\nlearning_rate = 0.01\nfrozen = ['base']\n"
        "[[phase]]\nepochs = 3\nlearning_rate = 1e-4\noptimizer = 'sgd'\nschedule = 'constant'\nmomentum = 0.5\n"
    )
    recipe = recipes.read(path).recipe(None)
    assert recipe.phases[0] == Recipe(2, 0.01, 0.0, 0.0, "constant", optimizer="adam", frozen=("base",))
    assert recipe.phases[1] == Recipe(3, 1e-4, 0.5, 5e-4, "constant")
    assert (recipe.learning_rate, recipe.epochs, recipe.total_epochs) == (1e-4, 3, 5)
    assert Recipe(**recipe.settings()) == recipe
    path.write_text("[[phase]]\nepoch = 2\n")
    with pytest.raises(InputError, match=r"A phase of the recipe.*line that it does not know.*Correct it"):
        recipes.read(path)
    path.write_text("phase = 2\n")
    with pytest.raises(InputError, match="A phase of the recipe"):
        recipes.read(path)


@pytest.mark.parametrize(
    "wrong",
    [{"frozen": ("a",), "trainable": ("b",)}, {"frozen": "base"}, {"trainable": (1,)}, {"earlier": (WHOLE,)},
     {"earlier": 3}, {"earlier": ("head",)}, {"start": "base.keras"}],
)  # fmt: skip
def test_phases_that_contradict_themselves_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        Recipe(**wrong)
    assert "\n" not in str(caught.value)


def test_a_recipe_without_phases_is_what_it_was() -> None:
    assert Recipe().phases == (Recipe(),)
    assert not {"earlier", "start", "frozen", "trainable"} & Recipe().settings().keys()
