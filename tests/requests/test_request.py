"""What a request may be, and what is refused before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from owners import RECORDS, data, model

import kit
from kit.requests import DeletionRequest, Effort, carry_out, prepare
from kit.types import ModelOptions


def prepared(**changes: Any) -> DeletionRequest:
    arrays, partition = data()
    settings = {"model": model(), "data": arrays, "forget": RECORDS, "partition": partition}
    options = ModelOptions(recipe=changes.pop("recipe", kit.Recipe()))
    return prepare(options=options, **(settings | changes))


def test_rows_count_the_whole_data_set() -> None:
    partition = np.repeat([2, 1, 0], [40, 40, 160])
    request = prepared(partition=partition, forget=[100, 81, 239])
    np.testing.assert_equal(request.rows, [100, 81, 239])
    arrays, _ = data()
    chosen = request.challenge.split.forget
    np.testing.assert_equal(request.challenge.train.x[chosen], arrays.x[[100, 81, 239]])


def test_records_are_called_what_the_data_call_them() -> None:
    arrays, _ = data()
    keys = {"customer": np.array([f"C{number}" for number in range(240)])}
    owned = kit.Arrays(arrays.x, arrays.y, groups=np.arange(240) // 4, keys=keys)
    names = prepared(data=owned, forget="group:2").names
    assert names == [{"customer": f"C{number}", "owner": "2"} for number in range(8, 12)]
    assert prepared().names == [{}] * len(RECORDS)


@pytest.mark.parametrize(
    ("rows", "fragment"),
    [
        (np.array([], int), "nothing is to be forgotten"),
        (np.arange(160), "everything is to be forgotten"),
        ([0, 500], "row 500"),
        ([0, 170], "the model has not learnt from it"),
        ([3, 3], "more than once"),
        ("class:7", "class"),
        ("group:4", "belongs to whom"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(rows: Any, fragment: str, refused: Callable[..., str]) -> None:
    refused(lambda: prepared(forget=rows), fragment)


def test_data_that_do_not_say_what_was_trained_on_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    refused(lambda: prepared(partition=None), "partition", "numpy.savez")
    arrays, partition = data()
    np.savez(tmp_path / "data.npz", x=arrays.x, y=arrays.y)
    refused(lambda: prepared(data=tmp_path / "data.npz", partition=None), "partition")
    assert len(prepared(data=tmp_path / "data.npz", partition=partition).rows) == len(RECORDS)


def test_damaged_files_are_refused(refused: Callable[..., str], files: dict[str, Path]) -> None:
    content = files["model"].read_bytes()
    files["model"].write_bytes(content[: len(content) // 2])
    refused(lambda: prepared(model=files["model"]), "damaged")
    files["data"].write_bytes(b"no archive")
    refused(lambda: prepared(data=files["data"]), "cannot be read")


def test_a_recipe_in_a_file_has_a_batch_size(files: dict[str, Path]) -> None:
    assert prepared(recipe=files["recipe"]).challenge.batch_size == 32
    assert prepared(recipe=files["recipe"], batch_size=16).challenge.batch_size == 16


def test_want_of_a_recipe_is_told() -> None:
    lines: list[str] = []
    prepared(recipe=None, announce=lines.append)
    assert "no recipe" in lines[0]


@pytest.mark.parametrize("name", ["sisa", "certified_removal", "original"])
def test_methods_that_cannot_start_from_a_finished_model_are_refused(
    name: str, request_of_six: DeletionRequest, refused: Callable[..., str]
) -> None:
    refused(lambda: carry_out(request_of_six, name), f"'{name}'")
    refused(lambda: carry_out(request_of_six, candidates=[name]), f"'{name}'")


def test_an_unknown_method_is_refused(request_of_six: DeletionRequest, refused: Callable[..., str]) -> None:
    refused(lambda: carry_out(request_of_six, "finetun"), "finetune")


def test_too_few_retrained_models_are_refused(refused: Callable[..., str]) -> None:
    refused(lambda: Effort(retrained=2), "3 or more")


@pytest.mark.parametrize("fault", ["labels in another order", "other weights"])
def test_a_model_that_knows_nothing_of_the_data_is_refused(fault: str, refused: Callable[..., str]) -> None:
    arrays, partition = data()
    net = model()
    if fault == "other weights":
        keras.utils.set_random_seed(0)
        net.set_weights([np.random.default_rng(0).normal(size=array.shape) for array in net.get_weights()])
        net.layers[-1].set_weights([np.zeros((4, 3)), np.array([9.0, 0, 0])])  # always class 0
    else:
        arrays = kit.Arrays(arrays.x, (arrays.y + 1) % 3)
    request = prepare(net, arrays, RECORDS, ModelOptions(kit.Recipe()), partition=partition)
    refused(lambda: carry_out(request, "finetune"), "no better than chance")


def test_a_good_model_of_unequal_classes_is_taken_though_a_constant_is_right_more_often() -> None:
    from kit.requests.outcome import _require_knowledge
    from kit.types import ModelOutputs

    labels = np.repeat([0, 1], [190, 10])
    arrays = kit.Arrays(np.eye(2)[labels], labels)
    order = np.random.default_rng(0).permutation(200)
    partition = np.zeros(200, int)
    partition[order[:20]], partition[order[20:40]] = 1, 2
    challenge = kit.make_challenge("unequal", arrays, partition=partition, forget=[order[50]])
    retain = challenge.labels("retain")
    right = np.where(retain == 1, True, np.arange(len(retain)) % 5 != 0)  # 80 % of the many, all of the few
    assert right.mean() < challenge.task.constant_accuracy(retain)
    _require_knowledge(ModelOutputs({}, {"retain": right}, {}), challenge)


@pytest.mark.slow
def test_images_in_folders_are_forgotten_by_their_names(tmp_path: Path) -> None:
    """Bright and dark squares; a request names two files, and the data say by their folders what was trained on."""
    generator = np.random.default_rng(0)
    for part, number in (("train", 30), ("validation", 10), ("test", 20)):
        for label, name in enumerate(("dark", "light")):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for index in range(number):
                pixels = generator.integers(0, 156, (6, 6, 3)) + 100 * label
                keras.utils.save_img(folder / f"{index}.png", pixels, scale=False)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    net = keras.Sequential([keras.Input((6, 6, 3)), *layers])
    net.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    learnt = keras.utils.image_dataset_from_directory(tmp_path / "images/train", image_size=(6, 6), verbose=False)
    net.fit(learnt, epochs=40, verbose=0, shuffle=False)
    (tmp_path / "requests.csv").write_text("file\ntrain/light/3.png\ntrain/dark/29.png\n")
    outcome = kit.unlearn_model(
        net,
        tmp_path / "images",
        tmp_path / "requests.csv",
        method="finetune",
        recipe=kit.Recipe(epochs=40, schedule="constant", momentum=0.0, weight_decay=0.0),
        batch_size=32,
        effort=Effort(retrained=3),
        evidence=tmp_path / "evidence",
    )
    files = [record["file"] for record in outcome.request.names]
    assert sorted(files) == ["train/dark/29.png", "train/light/3.png"]
    assert [group.name for group in outcome.findings.harm] == ["test", "class dark", "class light"]
    assert outcome.findings.harm[0].examples == 40
    assert outcome.findings.harm[0].after > 0.9
    assert "train/dark/29.png" in (tmp_path / "evidence" / "people.csv").read_text()
