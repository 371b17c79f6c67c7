"""`--output-name` on the command line: one output, all of them, and names that are none."""

from __future__ import annotations

import json
from pathlib import Path

import guests
import keras
import numpy as np
import pytest
from cli_helpers import call, one_paragraph
from retrainings import taking

from kit.runs import timing

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(0).normal(size=(120, 4)).astype("float32")
LABELS = {"price": 2 * X[:, 0], "kind": (X[:, 1] > 0).astype(int) + (X[:, 1] > 1)}
PARTS = np.repeat([0, 1, 2], [80, 20, 20])
RECORDS = [3, 7]
FILES = {"model": "model.keras", "forget": "requests.csv", "recipe": "recipe.toml"}
OPTIONS = [part for option, name in FILES.items() for part in (f"--{option}", name)]
METHOD = "def unlearning(net, retain, forget, validation):\n    net.set_weights([0.9 * w for w in net.get_weights()])\n"
COMMANDS = {
    "unlearn": ["--data", "data.npz", "--output", "unlearned.keras", "--method", "finetune", "--retrained", "3"],
    "run": ["finetune", "--challenge", "data.npz", "--num-models", "2", "--json", "result.json"],
    "evaluate": ["finetune", "--challenge", "data.npz", "--num-models", "4", "--json", "result.json"],
    "validate": ["mine.py", "--challenge", "data.npz", "--no-sandbox", "--json", "result.json"],
    "pack": ["mine.py", "--challenge", "data.npz", "--num-models", "2", "--no-sandbox", "--output", "mine.zip"],
    "check-pack": ["mine.zip", "--challenge", "data.npz", "--json", "result.json"],
}


def model() -> keras.Model:
    """One that knows its labels, without a training: both ends read them off the inputs."""
    x = keras.Input((4,), name="x")
    ends = [keras.layers.Dense(1, name="price")(x), keras.layers.Dense(3, activation="softmax", name="kind")(x)]
    net = keras.Model(x, ends, name="both")
    price, kind = np.zeros((4, 1), "float32"), np.zeros((4, 3), "float32")
    price[0], kind[1] = 2, (-4, 1, 5)
    net.set_weights([price, np.zeros(1, "float32"), kind, np.array([1, 1, -3], "float32")])
    losses = {"price": "mse", "kind": "sparse_categorical_crossentropy"}
    net.compile(keras.optimizers.SGD(0.1), losses, loss_weights={"price": 0.5, "kind": 1.0})
    return net


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "reference", lambda *_, **__: taking(10.0))
    guests.fork_them(monkeypatch)
    model().save("model.keras")
    np.savez("data.npz", x=X, partition=PARTS, **{f"y_{name}": y for name, y in LABELS.items()})
    Path("requests.csv").write_text("row\n3\n7\n")
    Path("recipe.toml").write_text("epochs = 5\nlearning_rate = 0.1\n")
    Path("mine.py").write_text(METHOD + "    return net\n")
    return tmp_path


def right(net: keras.Model) -> dict[str, np.ndarray]:
    """Whether each test example is right in an output, and in both, counted by hand."""
    price, kind = net.predict(X[PARTS == 2], verbose=0)
    tolerance = LABELS["price"].std() / 2  # that of a regression of the kit's
    each = {
        "price": np.abs(price[:, 0] - LABELS["price"][PARTS == 2]) <= tolerance,
        "kind": kind.argmax(axis=1) == LABELS["kind"][PARTS == 2],
    }
    return each | {"all": each["price"] & each["kind"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["price", "kind", "all"])
def test_a_request_is_about_the_output_that_is_named(name: str) -> None:
    result = call("unlearn", *COMMANDS["unlearn"], *OPTIONS, "--output-name", name, "--quiet", "--json", "-")
    assert result.code == 0, result.err
    summary = json.loads(result.out)
    accuracy = summary["test_accuracy"]
    delivered = keras.models.load_model("unlearned.keras")
    assert accuracy["before"] == pytest.approx(right(model())[name].mean())
    assert accuracy["after"] == pytest.approx(right(delivered)[name].mean())
    assert ("outputs" in summary) == (name == "all")
    for output, measures in summary.get("outputs", {}).items():
        assert measures["accuracy"]["before"] == pytest.approx(right(model())[output].mean())
        assert measures["accuracy"]["after"] == pytest.approx(right(delivered)[output].mean())
        assert f"of '{output}' {measures['accuracy']['before']:.3f}" in " ".join(result.err.split())
    if name == "all":
        squared = (delivered.predict(X[PARTS == 2], verbose=0)[0][:, 0] - LABELS["price"][PARTS == 2]) ** 2
        assert summary["outputs"]["price"]["squared error"]["after"] == pytest.approx(squared.mean(), rel=1e-4)
    moved = [not np.array_equal(*pair) for pair in zip(delivered.get_weights(), model().get_weights(), strict=True)]
    assert moved == [name in ("price", "all")] * 2 + [name in ("kind", "all")] * 2


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "evaluate", "validate", "pack"])
@pytest.mark.parametrize("name", ["price", "all"])
def test_every_command_takes_an_output_and_all_of_them(command: str, name: str, folder: Path) -> None:
    result = call(command, *COMMANDS[command], *OPTIONS, "--output-name", name, "--quiet")
    assert result.code == 0, result.err
    if command in ("run", "evaluate"):
        reports = json.loads((folder / "result.json").read_text())["reports"]
        scores = {report["method"]: report["scores"] for report in reports}
        assert scores["original"]["test_accuracy"]["value"] == pytest.approx(right(model())[name].mean())
    elif command == "validate":
        checks = {each["name"]: each["status"] for each in json.loads((folder / "result.json").read_text())["checks"]}
        assert "FAIL" not in checks.values()
        assert checks["above_chance"] == checks["logits"] == "PASS"
    else:  # what was packed of one output is no pack of all
        again = call("check-pack", *COMMANDS["check-pack"], *OPTIONS, "--output-name", name, "--quiet")
        assert again.code == 0, again.err
        other = call("check-pack", *COMMANDS["check-pack"], *OPTIONS, "--output-name", "kind", "--quiet")
        assert other.code != 0


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_is_none_has_a_near_match(command: str, folder: Path) -> None:
    if command == "check-pack":
        (folder / "mine.zip").touch()
    before = sorted(folder.iterdir())
    for name, hint in (("pric", "Did you mean price?"), ("al", "Did you mean all?"), ("x", "'price', 'kind'")):
        error = one_paragraph(call(command, *COMMANDS[command], *OPTIONS, "--output-name", name, "--quiet"))
        assert f"no output '{name}'" in error
        assert hint in error
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("command", ["unlearn", "run"])
def test_labels_of_several_outputs_ask_for_a_name(command: str) -> None:
    error = one_paragraph(call(command, *COMMANDS[command], *OPTIONS, "--quiet"))
    assert "labels of the outputs 'kind', 'price', and no output was named" in error
    assert "--output-name" in error
    np.savez("data.npz", x=X, partition=PARTS, y_kind=LABELS["kind"])
    error = one_paragraph(call(command, *COMMANDS[command], *OPTIONS, "--output-name", "price", "--quiet"))
    assert "labels of the outputs 'kind', and the output 'price' was asked for" in error


def test_a_single_output_is_not_all_of_them() -> None:
    x = keras.Input((4,))
    net = keras.Model(x, keras.layers.Dense(1, name="price")(x))
    net.compile("sgd", "mse")
    net.save("model.keras")
    error = one_paragraph(call("run", *COMMANDS["run"], *OPTIONS, "--output-name", "all", "--quiet"))
    assert "no output 'all'" in error
