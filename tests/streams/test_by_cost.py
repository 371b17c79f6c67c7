"""By cost, on one real model: certified until its budget is spent, then in shards, then retrained as a whole."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certified_queues import Queue, assert_trained_without
from queues import Hands
from scipy.special import expit

import kit
from kit import models
from kit.methods import sisa
from kit.proofs import signatures, trail
from kit.proofs.certify import Order, begin
from kit.proofs.salts import Salts
from kit.proofs.verify import Verification
from kit.runs import process
from kit.streams import evidence, methods
from kit.streams.queue import Serving
from kit.toolbox import facts
from kit.toolbox.state import read_arrays
from kit.types import InputError, Recipe

SHARDS, SLICES = 2, 2
EPSILON, DELTA, SIGMA, REGULARISATION = 1.0, 1e-3, 0.3, 1e-2


@pytest.fixture(scope="module")
def challenge(small_challenge: kit.Challenge) -> kit.Challenge:
    process.prepare()
    given = {
        "certified_removal": {
            "epsilon": EPSILON,
            "delta": DELTA,
            "sigma": SIGMA,
            "regularisation": REGULARISATION,
        },
        "sisa": {"shards": SHARDS, "slices": SLICES},
    }
    recipe = Recipe(epochs=3, learning_rate=0.05)
    return dataclasses.replace(small_challenge, recipe=recipe, hyperparameters=given)


@pytest.fixture
def queue_(challenge: kit.Challenge, kit_home: Path, clock: Hands, tmp_path: Path) -> Queue:
    signer = signatures.signer()
    begin(tmp_path / "trail", challenge, signer, Order("certified_removal"))
    return Queue(tmp_path / "trail", challenge, signer, clock)


def kept(queue: Queue) -> Path:
    return queue.trail().path / trail.KEPT


def served(queue: Queue, key: str, rows: list[int]) -> dict[str, Any]:
    queue.add(key, rows)
    (outcome,) = queue.serve(method=methods.BY_COST)
    return outcome


class Ledger:
    """The budget, accounted for by the paper's closed forms, with an optimum found by another solver."""

    def __init__(self, queue: Queue) -> None:
        net = models.build_described((queue.trail().path / "model.json").read_text())
        net.set_weights(list(queue.trail().weights()))
        train = queue.challenge.train
        self.x = net.get_layer("features").predict(train.x, verbose=0).astype(np.float64)
        self.signs = np.where(train.y[:, None] == np.arange(queue.challenge.num_classes), 1.0, -1.0)
        classes = self.signs.shape[1]
        self.budget = SIGMA * (EPSILON / classes) / math.sqrt(2 * math.log(1.5 / (DELTA / classes)))
        self.w = read_arrays(kept(queue), "state")["w"]
        self.bounds, self.there = np.zeros(classes), set(range(len(self.x)))

    def without(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the weights after a Newton step a class, and the bounds of their errors."""
        x, gone = self.x[sorted(self.there - {row})], self.x[row]
        removed, bounds = self.w.copy(), self.bounds.copy()
        for number, w in enumerate(self.w):
            chance = expit(x @ w)
            hessian = np.einsum("ni,n,nj->ij", x, chance * (1 - chance), x)
            hessian += len(x) * REGULARISATION * np.eye(x.shape[1])
            sign = self.signs[row, number]
            step = np.linalg.lstsq(hessian, -sign * expit(-sign * (gone @ w)) * gone + REGULARISATION * w, rcond=None)[
                0
            ]
            bounds[number] += np.linalg.norm(x, 2) * np.linalg.norm((x @ step) ** 2) / (12 * math.sqrt(3))
            removed[number] = w + step
        return removed, bounds

    def fits(self, row: int) -> bool:
        """Returns whether the budget of every class bears a row: one that costs more than most may not."""
        return float(self.without(row)[1].max()) <= self.budget

    def remove(self, row: int) -> float:
        """Removes a row, and returns the largest share of a class's budget that is spent now."""
        self.w, self.bounds = self.without(row)
        self.there.remove(row)
        return float(self.bounds.max() / self.budget)


def rows_of_slices(queue: Queue, rows: list[int]) -> dict[tuple[int, int], list[int]]:
    some = queue.challenge.train.take(np.array(rows))
    places: dict[tuple[int, int], list[int]] = {}
    for row, *place in zip(rows, *sisa.places(kept(queue), some.x, some.y), strict=True):
        places.setdefault((int(place[0]), int(place[1])), []).append(row)
    return places


def assert_evidence(queue: Queue, number: int, method: str, kind: str) -> None:
    """A request's evidence names the method and its class, and the receipt's record is gone from the commitment."""
    with queue.store() as store:
        content, folder = evidence.read(store, number), evidence.place(store, number)
        assert (content["outcome"]["method"], content["outcome"]["class"]) == (method, kind)
        assert content["outcome"]["why"] in (folder / evidence.STATEMENT).read_text()
        assert list(folder.glob(f"{evidence.RECEIPT}*"))
        assert (folder / "certificate.json").is_file()


def certified_steps(queue: Queue, rows: list[int]) -> list[int]:
    """Removes one of the rows after another while the budget lasts, and returns those that are gone."""
    ledger = Ledger(queue)
    fit = facts.read(kept(queue))["removals_that_fit"]
    assert 2 <= fit <= 20, "enough for some requests, and not for all"
    gone: list[int] = []
    spent = 0.0
    while spent + 1 / fit <= 1:
        row = next(row for row in rows if ledger.fits(row))
        rows.remove(row)
        gone.append(row)
        outcome = served(queue, f"{len(gone)}", [row])
        spent = ledger.remove(row)
        assert (outcome["method"], outcome["class"]) == ("certified_removal", "certified")
        assert outcome["guarantee"] == {"epsilon": repr(EPSILON), "delta": repr(DELTA)}
        assert facts.read(kept(queue))["budget_spent"] == pytest.approx(spent, rel=1e-3)
        assert outcome["why"] != "asked for"
        assert_evidence(queue, len(gone), "certified_removal", "certified")
    return gone


@pytest.mark.slow
def test_a_stream_goes_through_all_three_steps(queue_: Queue) -> None:
    rows = list(range(len(queue_.challenge.train)))
    gone = certified_steps(queue_, rows)
    number = len(gone)
    assert number >= 2

    first_in_shards = rows.pop(0)  # does not fit any more: the shards are trained, all of them
    outcome = served(queue_, "shards", [first_in_shards])
    gone.append(first_in_shards)
    assert (outcome["method"], outcome["class"]) == ("sisa", "exact")
    assert "budget does not last" in outcome["why"]
    assert {*queue_.trail().training.predicate["origins"]} == {queue_.trail().number}
    assert_evidence(queue_, number + 1, "sisa", "exact")

    places = rows_of_slices(queue_, rows)
    late = places[1, SLICES - 1][0]  # costs the last of two slices of one of two shards: 2 of 3 parts, of a half
    outcome = served(queue_, "slice", [late])
    gone.append(late)
    assert (outcome["method"], outcome["why"]) == ("sisa", "costs 33% of a training")
    origins = queue_.trail().training.predicate["origins"]
    assert [origin == queue_.trail().number for origin in origins] == [False, False, False, True]
    verdict = Verification(queue_.folder / "certificate.json", queue_.signer.verifier, lambda _: None).run(
        2, queue_.challenge
    )
    assert verdict.holds, [check.message for check in verdict.checks]
    assert len(Salts.read(queue_.folder).leaves) == len(queue_.challenge.train) - len(gone)

    everywhere = [places[shard, 0][0] for shard in range(SHARDS)]  # what is in the first slice of every shard
    outcome = served(queue_, "all", everywhere)
    gone += everywhere
    assert (outcome["method"], outcome["class"]) == ("retrain", "exact")
    assert "every shard" in outcome["why"]
    assert_evidence(queue_, number + 3, "retrain", "exact")
    assert_trained_without(queue_, {*gone})

    outcome = served(queue_, "later", [rows[-1]])
    assert (outcome["method"], outcome["why"]) == ("retrain", "the model was trained as a whole")
    assert_trained_without(queue_, {*gone, rows[-1]})


def test_by_cost_is_for_queues_and_has_no_constant_work() -> None:
    methods.require_usable(methods.BY_COST)
    with pytest.raises(InputError, match="no constant work"):
        Serving([], [], "at-once", 0, methods.BY_COST, "", constant=True).check()
