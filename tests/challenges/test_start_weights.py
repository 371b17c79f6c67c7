"""Trainings that start from weights in a file: which layers, whose digest, and a planted truth about the reference."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import guests
import keras
import numpy as np
import pytest

import kit
from kit.requests import Effort, findings, prepare, references, slices
from kit.runs import originals
from kit.runs.population import Request
from kit.runs.worker import Worker
from kit.toolbox import blocks
from kit.types import InputError, ModelOptions

generator = np.random.default_rng(0)
CORNERS = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T
SIGNS = CORNERS[np.arange(480) % 16] + generator.normal(scale=0.15, size=(480, 4))
# Whether an odd number of four signs is positive, and twelve columns that say nothing of it: not to be learnt from 240
# examples, but from the right features it is easy.
X = np.concatenate([SIGNS, generator.normal(size=(480, 12))], axis=1).astype(np.float32)
Y = ((SIGNS > 0).sum(axis=1) % 2).astype(np.int32)
Y = np.where(generator.random(480) < 0.1, 1 - Y, Y)
PARTITION = np.repeat([0, 1, 2], [240, 80, 160])
RECORDS = [3, 10, 4, 100, 50, 20]


def base(name: str = "base") -> keras.Model:
    """Features that were found elsewhere: one for each corner."""
    net = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16, activation="relu", name="corner")], name=name)
    kernel = np.concatenate([3 * CORNERS.T, np.zeros((12, 16))])
    net.set_weights([kernel, np.full(16, -9.0)])
    return net


def model(part: keras.Model) -> keras.Model:
    head = keras.layers.Dense(2, activation="softmax", name="head")
    return keras.Sequential([keras.Input((16,)), part, head], name="owners")


def trained(*, frozen: bool) -> keras.Model:
    """As an owner trains: from the base, which is frozen meanwhile and saved as trainable, or fine-tuned."""
    keras.utils.set_random_seed(1)
    net = model(base())
    net.get_layer("base").trainable = not frozen
    net.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    net.fit(X[:240], Y[:240], batch_size=16, epochs=8, verbose=0)
    net.get_layer("base").trainable = True
    return net


ARRAYS = kit.Arrays(X, Y)
ADAM = kit.Recipe(8, 0.01, 0.0, 0.0, "constant", optimizer="adam")


def challenge(start: kit.StartWeights | None, net: keras.Model | None = None, **changes: object) -> kit.Challenge:
    recipe = replace(ADAM, start=start, **changes)
    return kit.make_challenge("owners", ARRAYS, partition=PARTITION, model=net or model(base()), recipe=recipe)


def beginning(problem: kit.Challenge) -> list[np.ndarray]:
    """What `retrain` begins with: a model that has other weights, drawn anew."""
    net = Worker(problem).fresh_net(0, reuse=True)
    net.set_weights([np.full_like(array, 7) for array in net.get_weights()])
    return blocks.redrawn(net)


# Which layers


def saved(net: keras.Model, path: Path) -> str:
    (net.save_weights if path.name.endswith(".weights.h5") else net.save)(path)
    return str(path)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("layers", [{"layers": ["base"]}, {"layers": ["base/corner"]}, {"drawn": ["head"]}], ids=str)
def test_the_layers_that_are_named_start_from_the_file_and_all_others_are_drawn(
    suffix: str, layers: dict[str, list[str]], tmp_path: Path
) -> None:
    path = saved(model(base()), tmp_path / f"start{suffix}")
    problem = challenge(kit.StartWeights(path, **layers))
    first, second = beginning(problem), beginning(problem)
    for weights in (first, second, originals.build(problem).get_weights()):
        np.testing.assert_equal(weights[:2], base().get_weights())
    assert not np.array_equal(first[2], second[2])
    assert not (first[2] == 7).any()
    assert problem.start is not None
    assert [array is None for array in problem.start] == [False, False, True, True]


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_file_of_the_base_alone_is_the_base_s(suffix: str, tmp_path: Path) -> None:
    path = saved(base("published"), tmp_path / f"base{suffix}")
    np.testing.assert_equal(beginning(challenge(kit.StartWeights(path, layers=["base"])))[:2], base().get_weights())


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_all_layers_start_from_the_file_by_default(suffix: str, tmp_path: Path) -> None:
    net = model(base())
    np.testing.assert_equal(
        beginning(challenge(kit.StartWeights(saved(net, tmp_path / f"all{suffix}")))), net.get_weights()
    )


def test_layers_are_drawn_anew_from_the_file_whichever_way(tmp_path: Path) -> None:
    problem = challenge(kit.StartWeights(saved(base(), tmp_path / "base.keras"), layers=["base"]))
    net = Worker(problem).fresh_net(0, reuse=True)
    net.set_weights([np.full_like(array, 7) for array in net.get_weights()])
    np.testing.assert_equal(blocks.fresh_weights(net)[:2], base().get_weights())
    blocks.reinitialise(net, blocks.leaves(net))
    np.testing.assert_equal(net.get_weights()[:2], base().get_weights())
    assert not (net.get_weights()[2] == 7).any()


def test_a_model_of_the_zoo_starts_from_a_file_too(tmp_path: Path) -> None:
    net = kit.models.mlp((16,), 2)
    start = kit.StartWeights(saved(net, tmp_path / "mlp.weights.h5"), layers=["hidden"])
    problem = kit.make_challenge("zoo", ARRAYS, partition=PARTITION, recipe=replace(ADAM, start=start), model="mlp")
    built = originals.build(problem).get_weights()
    np.testing.assert_equal(built[:2], net.get_weights()[:2])
    assert not np.array_equal(built[2], net.get_weights()[2])


def test_frozen_layers_start_from_the_file_as_well(tmp_path: Path) -> None:
    net = model(base())
    net.get_layer("base").trainable = False
    net.set_weights([0 * array for array in net.get_weights()])
    assert not any(array.any() for array in originals.build(challenge(None, net)).get_weights()[:2])
    problem = challenge(kit.StartWeights(saved(base(), tmp_path / "base.keras"), layers=["base"]), net)
    np.testing.assert_equal(beginning(problem)[:2], base().get_weights())


def test_layers_that_no_phase_trains_keep_what_they_have_and_those_that_one_trains_do_not() -> None:
    problem = challenge(None, frozen=("base",))
    np.testing.assert_equal(beginning(problem)[:2], base().get_weights())
    problem = challenge(None, earlier=(replace(ADAM, frozen=("base",)),))
    assert problem.start is None
    assert not any(np.array_equal(*pair) for pair in zip(beginning(problem), base().get_weights(), strict=False))


@pytest.mark.slow
def test_a_file_s_method_begins_with_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guests.fork_them(monkeypatch)
    (tmp_path / "method.py").write_text(
        "from kit.toolbox import blocks\n\n\ndef unlearning(net, retain, forget, validation):\n"
        "    net.set_weights(blocks.redrawn(net))\n    return net\n"
    )
    problem = challenge(kit.StartWeights(saved(base(), tmp_path / "base.keras"), layers=["base"]))
    weights = kit.unlearn(tmp_path / "method.py", problem).net.get_weights()
    np.testing.assert_equal(weights[:2], base().get_weights())
    assert problem.original is not None
    assert not np.array_equal(weights[2], problem.original[2])


# What is refused, and what is recorded


def test_digest_and_name_are_recorded_and_no_place_of_this_machine(tmp_path: Path) -> None:
    path = Path(saved(base(), tmp_path / "base.keras"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    problem = challenge(kit.StartWeights(path, sha256, layers=["base"]))
    assert problem.recipe.settings()["start"] == {"path": "base.keras", "sha256": sha256, "layers": ["base"]}
    other = base()
    other.set_weights([2 * array for array in other.get_weights()])
    path = Path(saved(other, tmp_path / "other.keras"))
    assert originals.fingerprint(problem) != originals.fingerprint(challenge(kit.StartWeights(path, layers=["base"])))
    with pytest.raises(InputError, match=r"have the sha256 \w{64}\. Expected .*correct the digest"):
        challenge(kit.StartWeights(path, sha256, layers=["base"]))
    with pytest.raises(InputError, match="which the challenge was not given"):
        replace(problem, start=None)


def test_a_recipe_names_a_file_beside_it(tmp_path: Path) -> None:
    saved(base(), tmp_path / "base.keras")
    np.savez(tmp_path / "data.npz", x=X, y=Y, partition=PARTITION)
    model(base()).save(tmp_path / "model.keras")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("epochs = 1\n[start]\npath = 'base.keras'\nlayers = ['base']\n")
    problem = kit.load_challenge(tmp_path / "data.npz", model=tmp_path / "model.keras", recipe=recipe)
    np.testing.assert_equal(beginning(problem)[:2], base().get_weights())
    for wrong in ("file = 'base.keras'", "path = 3", "path = 'base.npz'", "path = 'x.keras'\nlayers = 'base'"):
        recipe.write_text(f"[start]\n{wrong}\n")
        with pytest.raises(InputError, match=r"\[start\]"):
            kit.load_challenge(tmp_path / "data.npz", model=tmp_path / "model.keras", recipe=recipe)


@pytest.mark.parametrize(
    ("part", "options", "fragment"),
    [
        (base(), {}, "do not fit the model 'owners': 2 arrays of the shapes (16, 16), (16,). Expected 4 arrays"),
        (base(), {"layers": ["head"]}, "do not fit the layer 'head'"),
        (base(), {"layers": ["bas"]}, "no layer called 'bas'"),
        (base(), {"layers": ["base", "head"]}, "has no layer 'head' to start from"),
        (base(), {"drawn": ["nobody"]}, "no layer called 'nobody'"),
    ],
)
def test_what_does_not_fit_is_refused(
    part: keras.Model, options: dict[str, list[str]], fragment: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        challenge(kit.StartWeights(saved(part, tmp_path / "start.keras"), **options))
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = Path(saved(base(), tmp_path / "base.weights.h5"))
    with pytest.raises(InputError, match=r"nor of one nested model of it that is named alone.*as a \.keras file"):
        challenge(kit.StartWeights(path))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="are damaged, or are not those"):
        challenge(kit.StartWeights(path, layers=["base"]))
    (tmp_path / "base.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match="damaged"):
        challenge(kit.StartWeights(tmp_path / "base.keras", layers=["base"]))
    with pytest.raises(InputError, match="no file"):
        challenge(kit.StartWeights(tmp_path / "nothing.keras", layers=["base"]))


@pytest.mark.parametrize(
    "wrong",
    [{"path": "base.npz"}, {"path": "b.keras", "sha256": "abc"}, {"path": "b.keras", "layers": "base"},
     {"path": "b.keras", "layers": ["a"], "drawn": ["b"]}, {"path": "b.keras", "drawn": [1]}],
)  # fmt: skip
def test_a_section_that_contradicts_itself_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"Correct it in the recipe's section \[start\]"):
        kit.StartWeights(**wrong)


def test_a_layer_that_is_frozen_in_the_model_cannot_be_trained_by_a_phase() -> None:
    net = model(base())
    net.get_layer("base").trainable = False
    with pytest.raises(InputError, match=r"trains 'corner', which is frozen.*changes no weight"):
        challenge(None, net, trainable=("base", "head"))


# The planted truth


def reproduces(net: keras.Model, recipe: kit.Recipe) -> bool:
    """Whether models that are trained by the recipe have the original's own scores, as a request's report tests it."""
    asked = prepare(net, ARRAYS, RECORDS, ModelOptions(recipe), partition=PARTITION, batch_size=16)
    worker = Worker(asked.challenge)
    learnt = references.learnt(worker, Request(4, 5))
    original = references.observe(worker.outputs(worker.original.weights, "original"))
    parts = findings.reproduction(original, learnt, slices.groups_of(asked.challenge, {}))
    return all(part.inside for part in parts.values())


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen base", "fine-tuned base"])
def test_the_reference_reproduces_the_original_from_its_start_and_not_from_random_weights(
    frozen: bool, tmp_path: Path
) -> None:
    net = trained(frozen=frozen)
    start = kit.StartWeights(saved(base(), tmp_path / "base.keras"), layers=["base"])
    layers = {"frozen": ("base",)} if frozen else {}
    assert (net(X[320:]).numpy().argmax(axis=1) == Y[320:]).mean() > 0.8
    assert reproduces(net, replace(ADAM, start=start, **layers))
    assert not reproduces(net, ADAM)


@pytest.mark.slow
def test_a_request_in_two_phases_from_a_start_ends_in_a_verdict(tmp_path: Path) -> None:
    net = model(base())
    net.compile("adam", "sparse_categorical_crossentropy")
    keras.utils.set_random_seed(2)
    for trainable, rate, epochs in ((False, 0.01, 6), (True, 0.001, 2)):
        net.get_layer("base").trainable = trainable
        net.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        net.fit(X[:240], Y[:240], batch_size=16, epochs=epochs, verbose=0)
    saved(base(), tmp_path / "base.keras")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        "batch_size = 16\noptimizer = 'adam'\n[start]\npath = 'base.keras'\nlayers = ['base']\n"
        "[[phase]]\nepochs = 6\nlearning_rate = 0.01\nfrozen = ['base']\n"
        "[[phase]]\nepochs = 2\nlearning_rate = 0.001\n"
    )
    evidence = tmp_path / "evidence"
    outcome = kit.unlearn_model(
        net,
        ARRAYS,
        RECORDS,
        partition=PARTITION,
        recipe=recipe,
        method="retrain",
        effort=Effort(retrained=4),
        evidence=evidence,
    )
    assert outcome.findings.reproduced
    assert outcome.verdict != "doubtful reference"
    assert "base.keras" in (evidence / "request.json").read_text()
