"""Recipes in files: every field, and what is refused; which model a name or a file stands for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kit
from kit.challenges import user_model
from kit.runs import originals
from kit.types import Arrays, Recipe

Refused = Callable[..., str]

TABLE = Arrays(np.random.default_rng(0).normal(size=(60, 6)), np.arange(60) % 3)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
        np.savez(tmp_path / "table.npz", x=TABLE.x, y=TABLE.y)
        return tmp_path / "recipe.toml"

    return write


def loaded(recipe: Path, **options: Any) -> kit.Challenge:
    return kit.load_challenge(recipe.with_name("table.npz"), recipe=recipe, **options)


# Recipes

WHOLE = """
# how our model is trained
epochs = 7
learning_rate = 0.02
momentum = 0.5
weight_decay = 0.0
optimizer = "adam"
schedule = "constant"
augmentation = "crop_and_flip"
batch_size = 16
"""


def test_every_line_of_a_recipe_is_followed(written: Callable[[str], Path]) -> None:
    path = written(WHOLE)
    np.savez(path.with_name("table.npz"), x=np.zeros((60, 8, 8, 1)), y=TABLE.y)  # of images: tables have no margin
    challenge = loaded(path)
    assert challenge.recipe == Recipe(7, 0.02, 0.5, 0.0, "constant", "crop_and_flip", "adam")
    assert challenge.batch_size == 16
    fields = {field.name for field in dataclasses.fields(Recipe)}
    further = {"clipnorm", "clipvalue", "global_clipnorm", "milestones", "step_factor", "rates"}
    further |= {"trainable", "frozen", "earlier", "start"}
    assert fields - further == {line.partition(" ")[0] for line in WHOLE.splitlines()[2:-1]}


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("clipnorm = 1", {"clipnorm": 1}),
        ("clipvalue = 0.5", {"clipvalue": 0.5}),
        ("global_clipnorm = 2.0", {"global_clipnorm": 2.0}),
        (
            "schedule = 'step'\nmilestones = [1]\nstep_factor = 0.5",
            {"schedule": "step", "milestones": (1,), "step_factor": 0.5},
        ),
        ("schedule = 'listed'\nrates = [0.1, 0.2, 0.1]", {"schedule": "listed", "rates": (0.1, 0.2, 0.1)}),
    ],
)
def test_lines_that_few_recipes_have_are_followed(
    written: Callable[[str], Path], text: str, changes: dict[str, Any]
) -> None:
    assert loaded(written(f"epochs = 3\n{text}")).recipe == Recipe(3, **changes)


@pytest.mark.parametrize(
    ("text", "recipe", "batch_size"),
    [
        ("", Recipe(), 64),
        ("\ufeffepochs = 3\r\n", Recipe(epochs=3), 64),  # as some editors on Windows write UTF-8
        ("epochs = 3", Recipe(epochs=3), 64),
        ("batch_size = 10\nlearning_rate = 1", Recipe(learning_rate=1), 10),
        ("optimizer = 'adam'", Recipe(30, 0.001, 0.0, 0.0, "constant", optimizer="adam"), 64),
        ("optimizer = 'adamw'\nepochs = 2", Recipe(2, 0.001, 0.0, 0.004, "constant", optimizer="adamw"), 64),
    ],
)
def test_lines_that_are_left_out_have_defaults(
    written: Callable[[str], Path], text: str, recipe: Recipe, batch_size: int
) -> None:
    challenge = loaded(written(text))
    assert (challenge.recipe, challenge.batch_size) == (recipe, batch_size)


def test_a_recipe_changes_a_challenge_that_the_kit_knows(written: Callable[[str], Path]) -> None:
    """Its shipped weights are then of another training, and its settings of methods for another model."""
    path = written("epochs = 2")
    plain, changed = kit.load_challenge("digits"), kit.load_challenge("digits", recipe=path)
    assert changed.recipe == Recipe(epochs=2)
    assert originals.fingerprint(changed) != originals.fingerprint(plain)
    assert changed.data_sha256 == plain.data_sha256
    small = kit.load_challenge(path.with_name("table.npz"))
    assert small.hyperparameters == changed.hyperparameters == {}


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("epoch = 3", ["a line for 'epoch'", "the names are epochs, learning_rate", "batch_size"]),
        ("batchsize = 3", ["a line for 'batchsize'"]),
        ("[training]\nepochs = 3", ["a line for 'training'"]),
        ("epochs: 3", ["cannot be read", "lines such as 'epochs = 20'"]),
        ("epochs = ", ["cannot be read"]),
        ("epochs = 3\nepochs = 4", ["cannot be read"]),
        ('{"epochs": 3}', ["cannot be read"]),
        ("epochs = 3.5", ["cannot be trained with", "whole epochs"]),
        ("epochs = -1", ["cannot be trained with", "whole epochs"]),
        ('epochs = "3"', ["cannot be trained with", "whole epochs"]),
        ("learning_rate = 0", ["cannot be trained with", "learning_rate > 0"]),
        ('learning_rate = "0.1"', ["cannot be trained with", "learning_rate > 0"]),
        ("learning_rate = true", ["cannot be trained with", "learning_rate > 0"]),
        ("epochs = true", ["cannot be trained with", "whole epochs"]),
        ("optimizer = 'lion'", ["cannot be trained with", "sgd, adam, adamw or rmsprop"]),
        ("optimizer = 'from model'", ["the model does not say", "Write its name"]),
        ("data = 3", ["[data]", "a value of another kind"]),
        ("[data]\nlabels = 'income'", ["[data]", "a line for 'labels'", "label = 'income'"]),
        ("[data]\nfeatures = 'age'", ["[data]", "lists of names"]),
        ("learning_rate = nan", ["cannot be trained with"]),
        ("momentum = 1", ["cannot be trained with", "[0, 1)"]),
        ("weight_decay = inf", ["cannot be trained with"]),
        ('schedule = "linear"', ["cannot be trained with", "'cosine', 'constant', 'step' or 'listed'"]),
        ('augmentation = "mixup"', ["cannot be trained with", "'crop_and_flip'"]),
        ('augmentation = "crop_and_flip"', ["'crop_and_flip'", "(6,)", "(height, width, channels)"]),
        ("batch_size = 0", ["batch size in", "is 0."]),
        ("batch_size = 3.5", ["batch size in", "is 3.5."]),
        ("batch_size = '64'", ["batch size in", "is '64'."]),
        ("batch_size = true", ["batch size in", "is True."]),
    ],
)
def test_what_is_no_recipe_is_refused(
    written: Callable[[str], Path], refused: Refused, text: str, fragments: list[str]
) -> None:
    path = written(text)
    refused(lambda: loaded(path), *fragments)


def test_a_recipe_that_is_not_there_or_no_text_is_refused(written: Callable[[str], Path], refused: Refused) -> None:
    path = written("")
    refused(lambda: kit.load_challenge("digits", recipe="no recipe.toml"), "no file 'no recipe.toml'")
    refused(lambda: kit.load_challenge("digits", recipe=path.parent), f"no file '{path.parent}'")
    path.write_bytes(b"\xff\xfe\x00epochs")
    refused(lambda: loaded(path), "cannot be read", "TOML")


# Models


@pytest.mark.parametrize("model", ["mlp", "convnet", "resnet18", "resnet20", ""])
def test_a_name_stays_a_name(model: str) -> None:
    assert user_model.read_model(TABLE, model, None) == model


def test_another_model_of_the_zoo_takes_the_place_of_a_challenges_own() -> None:
    plain, other = kit.load_challenge("digits"), kit.load_challenge("digits", model="mlp")
    assert (plain.model, other.model) == ("convnet", "mlp")
    assert originals.fingerprint(other) != originals.fingerprint(plain)


@pytest.mark.parametrize(("shape", "model"), [((60, 6), "mlp"), ((60, 8, 8), "convnet"), ((60, 8, 8, 3), "convnet")])
def test_the_default_follows_from_the_shape(shape: tuple[int, ...], model: str) -> None:
    assert user_model.default_model(Arrays(np.zeros(shape), np.arange(60) % 3)) == model


@pytest.mark.parametrize("precision", ["float8", "half", "FLOAT32", ""])
def test_an_unknown_precision_is_refused(precision: str, refused: Refused) -> None:
    refused(
        lambda: kit.load_challenge("digits", precision=precision),
        f"'{precision}'",
        "float32, tf32, bfloat16 or float16",
    )


def test_weights_of_examples_are_read_and_belong_to_the_data(tmp_path: Path, refused: Refused) -> None:
    weights = np.arange(60, dtype="float64")
    given = {"x": np.eye(3)[np.arange(60) % 3], "y": np.arange(60) % 3, "partition": np.repeat([0, 1, 2], 20)}
    np.savez(tmp_path / "plain.npz", **given)
    np.savez(tmp_path / "weighted.npz", **given, sample_weight=weights)
    plain, weighted = (kit.load_challenge(tmp_path / f"{name}.npz") for name in ("plain", "weighted"))
    np.testing.assert_array_equal(weighted.train.sample_weight, weights[:20].astype("float32"))
    assert plain.train.sample_weight is None
    assert plain.data_sha256 != weighted.data_sha256
    # Methods that do not take the task's loss would train without them.
    refused(lambda: kit.unlearn("scrub", weighted), "'scrub'", "weights of examples", "finetune, retrain")
    for wrong in (-weights, np.zeros(60), np.full(60, np.nan), weights[:9]):
        np.savez(tmp_path / "wrong.npz", **given, sample_weight=wrong)
        refused(lambda: kit.load_challenge(tmp_path / "wrong.npz"), "'sample_weight'")
