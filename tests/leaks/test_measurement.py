"""What SISA's time tells, in closed form; that each counter-measure leaves nothing of it; and that bits stay exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from cli_helpers import call, one_paragraph

import kit
from kit import methods
from kit.leaks.measurement import Order, measure
from kit.leaks.serving import Readings, Requests, Served, Server
from kit.reports import leaks as reported
from kit.reports.leaks import Leak, Leaks, Price
from kit.runs import pretraining
from kit.submission.entry import resolve
from kit.types import Arrays, Challenge, InputError, Recipe, Split

SLICES = 4


@pytest.fixture(scope="module")
def challenge() -> Challenge:
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    arrays = Arrays(generator.normal(size=(240, 5)) + labels[:, np.newaxis], labels)
    partition = np.repeat([0, 1, 2], [160, 40, 40])
    recipe = Recipe(epochs=5)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((5,)), keras.layers.Dense(3, name="logits")]
    net = keras.Sequential(layers, name="linear")
    return kit.make_challenge("leaking", arrays, partition=partition, model=net, recipe=recipe, batch_size=32)


@pytest.fixture(scope="module")
def leaks(challenge: Challenge) -> Leaks:
    return measure(resolve("sisa"), challenge, Order(requests=16, batch=40), lambda _: None)


def leaks_of(*lines: Leak) -> Leaks:
    return Leaks("sisa", "small", 8, lines, (Price("plain", 100.0, 0.1, 0.1),))


@pytest.mark.slow
def test_a_request_costs_what_its_slice_says(challenge: Challenge) -> None:
    """First affected slice 0 to 3: two epochs over each union of slices from there on, without the deleted record."""
    server, rows = Server(resolve("sisa"), challenge), np.arange(12)
    places = server.places(rows)
    everyone = server.places(np.arange(160))
    assert places is not None
    assert everyone is not None
    passes = server.serve(Requests(rows)).rows.passes
    for row, (shard, first) in enumerate(zip(*places, strict=True)):
        of_shard = [
            slice_
            for other, (a_shard, slice_) in enumerate(zip(*everyone, strict=True))
            if a_shard == shard and other != row
        ]
        assert passes[row] == sum(2 * (SLICES - max(first, slice_)) for slice_ in of_shard)


@pytest.mark.slow
def test_plain_sisa_tells_the_slice_and_counter_measures_do_not(leaks: Leaks) -> None:
    assert (leaks.leak("slice AUC").value, leaks.leak("membership AUC").value) == (1.0, 1.0)
    assert leaks.leak("slice bits").value > 1  # of 2, though sixteen requests fill four bins
    assert leaks.leak("slice AUC").shown
    for mode in ("constant", "padded", "batched"):
        line = leaks.leak("slice AUC", mode)
        assert (line.value, line.shown) == (0.5, False), mode
    for mode in ("constant", "padded"):
        for name in ("membership AUC", "number AUC"):
            assert leaks.leak(name, mode).value == 0.5
        for name in ("slice bits", "shard bits"):
            assert leaks.leak(name, mode).value == 0


@pytest.mark.slow
def test_the_prices_are_printed(leaks: Leaks) -> None:
    prices = {price.mode: price for price in leaks.prices}
    assert prices["padded"].passes == prices["plain"].passes < prices["constant"].passes
    assert prices["padded"].waiting >= 2 * prices["plain"].waiting
    assert prices["batched"].passes == pytest.approx(prices["constant"].passes / 40)


@pytest.mark.slow
def test_requests_that_know_the_placement_are_slow_and_those_with_another_key_are_not(leaks: Leaks) -> None:
    assert leaks.leak("slow-down").value > 1.15
    other = leaks.leak("slow-down, other key")
    assert other.value is None or other.value < leaks.leak("slow-down").value


@pytest.mark.parametrize("rows", [pytest.param([3], marks=pytest.mark.slow), [3, 4, 60]])
def test_constant_work_is_exact_and_always_the_same(rows: list[int], challenge: Challenge, tmp_path: Path) -> None:
    """The bits are those of a training without the records; the work is that of the first training, to the example."""
    everyone = np.arange(160)
    challenge = replace(challenge, training_seed=7)
    problem = replace(
        challenge,
        split=Split("mine", 0, np.array(rows), np.setdiff1d(everyone, rows)),
        hyperparameters={"sisa": {"constant": True}},
    )
    unlearned = kit.unlearn("sisa", problem, seed=7)
    alone = replace(
        challenge,
        train=challenge.train.take(np.setdiff1d(everyone, rows)),
        split=Split("unused", 0, np.arange(1), np.arange(1, 160 - len(rows))),
    )
    trained = methods.module("sisa").pretraining(alone, 7, tmp_path, pretraining.new_base(challenge))
    bits = [[array.tobytes() for array in net.get_weights()] for net in (unlearned.net, trained)]
    assert bits[0] == bits[1]
    places = Server(resolve("sisa"), challenge).places(everyone)
    assert places is not None
    assert unlearned.cost.passes == unlearned.facts["examples_shown"] == (2 * (SLICES - places[1])).sum()


@pytest.mark.slow
def test_a_method_without_slices_says_so(challenge: Challenge) -> None:
    leaks = measure(resolve("finetune"), challenge, Order(requests=8, batch=20), lambda _: None)
    assert leaks.leak("slice AUC").value is None
    assert "no slices" in leaks.leak("slice AUC").reason
    assert leaks.leak("membership AUC").value == 1.0
    assert {price.mode for price in leaks.prices} == {"plain", "padded", "batched"}
    with pytest.raises(InputError, match="Expected 8 to 40 requests"):
        measure(resolve("finetune"), challenge, Order(requests=7), lambda _: None)


def test_answers_leave_with_the_tick() -> None:
    single, groups = (Readings(np.array(passes), np.array(passes) / 10) for passes in ([1.0, 5.0], [4.0, 2.0]))
    released = Served(single, groups, Readings.at_once(2)).released()
    for part in (released.rows, released.groups, released.strangers):
        assert part.passes.tolist() == [10.0, 10.0]
        assert part.seconds.tolist() == [1.0, 1.0]


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    leaks = leaks_of(Leak("slice AUC", "padded", "passes", 0.5, 0.0, 0.5), Leak("slice bits", "plain", "passes", None))
    reported.write(tmp_path / "leaks.json", leaks)
    assert reported.read(tmp_path / "leaks.json") == leaks
    content = (tmp_path / "leaks.json").read_text()
    (tmp_path / "leaks.json").write_text(content.replace("padded", "paddad", 1))
    with pytest.raises(InputError, match="does not have the sha256"):
        reported.read(tmp_path / "leaks.json")


def test_a_line_is_bold_where_its_interval_leaves_out_the_ideal() -> None:
    assert Leak("slice AUC", "plain", "passes", 0.6, 0.05, 0.5).shown
    assert not Leak("slice AUC", "plain", "passes", 0.59, 0.05, 0.5).shown
    assert not Leak("slice AUC", "plain", "passes", None, None, 0.5, "none").shown


def test_wrong_use_is_refused_before_any_work(tmp_path: Path) -> None:
    assert "There is no method 'sysa'" in one_paragraph(call("leaks", "sysa"))
    assert "Expected the folder of a run" in one_paragraph(call("leaks", "sisa", "--into", tmp_path))
