"""What the kit makes of models as users build them: taken, and says what the user's says; or refused, with the way out.

A file beside this one for each domain; `cases.py` says what a case is. `python -m pytest -m "" tests/user_models`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax
from user_models.cases import ROWS, Case, all_cases, said

import kit
from kit import challenges
from kit.models import inspection, user
from kit.runs import originals
from kit.tasks import Joint
from kit.toolbox import training
from kit.toolbox.examples import batches
from kit.toolbox.losses import TaskLoss
from kit.types import Challenge, ModelOptions, Recipe

# Keras's, while the users train.
pytestmark = [
    pytest.mark.filterwarnings("ignore:(?s).*structure of `inputs`:UserWarning"),
    pytest.mark.filterwarnings("ignore:`build\\(\\)` was called on layer:UserWarning"),
]
CASES = all_cases()
# One of each kind in the fast tests; the rest takes seconds each.
FAST = (
    "labels: texts",
    "labels: one logit",
    "labels: several labels at once",
    "tables: texts looked up and numbers normalised",
    "regression: squared error",
    "own code: a layer",
)
PARTS = np.repeat([0, 1, 2], [ROWS - 20, 10, 10])


@pytest.fixture(scope="module", autouse=True)
def inspected_here() -> Iterator[None]:
    """Files are looked at by the same code, without a process for each: those are `test_strangers_models.py`'s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspection, "inspect", inspection.examine)
        yield


def marked(name: str) -> object:
    return name if name in FAST else pytest.param(name, marks=pytest.mark.slow)


def saved(case: Case, folder: Path) -> Callable[[], Challenge]:
    """Writes what a user has, and returns the call that hands it to the kit."""
    options = {"recipe": Recipe(epochs=1, learning_rate=1e-4), **case.options}
    if case.saved:
        options["model"] = folder / "model.keras"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras's, of lambdas and the like in the file that is written
            case.net.save(options["model"])
    np.savez(folder / "data.npz", **case.files, partition=PARTS)
    return lambda: kit.load_challenge(folder / "data.npz", forget=[1, 2, 3, 5, 8], **options)


def answers(net: keras.Model, challenge: Challenge, outputs: int) -> np.ndarray:
    """What a model of a challenge says of its training examples, in the user's terms."""
    x = challenge.train.x
    outputs_of_net = np.asarray(net(x / np.float32(255) if x.dtype == np.uint8 else x, training=False), np.float64)
    if isinstance(challenge.task, Joint):
        parts = zip(challenge.task.heads, challenge.task.outputs(outputs_of_net), strict=True)
        return np.concatenate([linked(part, head.task.link, head.width) for head, part in parts], axis=-1)
    return linked(outputs_of_net, challenge.task.link, outputs)


def linked(outputs_of_net: np.ndarray, link: str, outputs: int) -> np.ndarray:
    if link == "softmax":
        return softmax(outputs_of_net, axis=-1)[:, -outputs:]
    return expit(outputs_of_net) if link == "sigmoid" else outputs_of_net


def expected(case: Case, like: np.ndarray) -> np.ndarray:
    """What the user's own model says, logits as probabilities where those of the challenge are."""
    called = keras.tree.map_structure(
        lambda array: keras.ops.convert_to_tensor(array.astype(object) if array.dtype.kind == "U" else array),
        case.inputs,
    )
    predicted = said(case.net, called)[: len(like)]
    if np.allclose(predicted, like, atol=1e-5, rtol=1e-5):
        return predicted
    return (
        expit(predicted)
        if predicted.shape[1] == 1 or not np.allclose(like.sum(axis=1), 1)
        else softmax(predicted, axis=-1)
    )


@dataclass(frozen=True)
class Given:
    """A case, and its files in a folder, by which it is handed to the kit once for all tests of it."""

    case: Case
    load: Callable[[], Challenge]
    folder: Path

    @cached_property
    def challenge(self) -> Challenge:
        return self.load()


@pytest.fixture(scope="module")
def given(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Builds and trains a user's model from one seed: what knows next to nothing is to be wrong in one way."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("user")
    case = CASES[request.param](folder)
    return Given(case, saved(case, folder), folder)


def model_of(challenge: Challenge) -> keras.Model:
    net = originals.build(challenge)
    net.set_weights(challenge.original)
    return net


# By module: the tests of a case follow one another. The second trains the kit's model and changes the user's.
@pytest.mark.parametrize("given", [marked(name) for name in CASES], indirect=True, scope="module")
def test_a_model_says_what_it_said_before_or_is_refused(given: Given, refused: Callable[..., str]) -> None:
    case = given.case
    if case.refused:
        assert len(refused(given.load, *case.refused)) < 900
        return
    challenge = given.challenge
    predicted = answers(model_of(challenge), challenge, said(case.net, sample(case)).shape[-1])
    np.testing.assert_allclose(predicted, expected(case, predicted), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("given", CASES, indirect=True, scope="module")
def test_it_is_trained_as_methods_train_and_goes_back_into_the_users_own(given: Given) -> None:
    case = given.case
    if case.refused:
        pytest.skip("refused")
    challenge = given.challenge
    net = model_of(challenge)
    data, before = batches(challenge.train, challenge.split.retain, 10), net.get_weights()
    training.fit(net, data, challenge.recipe, loss=TaskLoss(challenge.task), seed=0)
    assert all(np.isfinite(array).all() for array in net.get_weights())
    assert any(not np.array_equal(*pair) for pair in zip(before, net.get_weights(), strict=True))
    chosen = {name: case.options.get(name) for name in ("custom_objects", "builder")}
    options = ModelOptions(**chosen, output=case.options.get("output_name"))
    own = challenges.model_options.code(options) or user.Own()
    user.put_back(
        case.net,
        net.get_weights(),
        challenges.user_data.read_npz(given.folder / "data.npz", own.output, case.names)[0],
        own,
    )
    predicted = answers(net, challenge, said(case.net, sample(case)).shape[-1])
    np.testing.assert_allclose(predicted, expected(case, predicted), atol=1e-5, rtol=1e-5)


def sample(case: Case) -> object:
    return keras.tree.map_structure(
        lambda array: keras.ops.convert_to_tensor(array[:1].astype(object) if array.dtype.kind == "U" else array[:1]),
        case.inputs,
    )
