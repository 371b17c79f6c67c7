"""A queue on a certified model: after any stream of requests its bits are those of a training without their records."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from certified_queues import Queue, assert_trained_without
from queues import Hands
from scipy.special import softmax

import kit
from kit.methods import sisa
from kit.proofs import commitment, execution, signatures, trail
from kit.proofs.certificate import check_receipt
from kit.proofs.certify import Order, begin, delete
from kit.proofs.signatures import Signer
from kit.proofs.trainings import Plain, Sharded
from kit.proofs.verify import Verification
from kit.runs import originals, process
from kit.streams import decay, evidence, methods, queue, replay
from kit.streams.database import FOLDER
from kit.streams.request import Refused
from kit.streams.tombstones import Key
from kit.streams.work import OnTrail
from kit.toolbox import compiled, ensembles, facts
from kit.types import Arrays, InputError, Recipe, Split

TWIN, ORIGINAL = 7, 3  # two rows of one content


@pytest.fixture(scope="module")
def signer(kit_home: Path) -> Signer:
    return signatures.signer()


@pytest.fixture(scope="module")
def challenge(small_challenge: kit.Challenge) -> kit.Challenge:
    process.prepare()
    train = small_challenge.train
    x, y = train.x.copy(), train.y.copy()
    x[TWIN], y[TWIN] = x[ORIGINAL], y[ORIGINAL]
    recipe = Recipe(epochs=3, learning_rate=0.05)
    return dataclasses.replace(small_challenge, train=Arrays(x, y, classes=train.classes), recipe=recipe)


@pytest.fixture(scope="module", autouse=True)
def one_net(challenge: kit.Challenge) -> Iterator[None]:
    """Trainings share a network, which is put back for each: it is traced once for all tests."""
    net = originals.build(challenge)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "new_net", lambda _: net)
        yield


@pytest.fixture(scope="module")
def begun(challenge: kit.Challenge, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Certified trainings by method; leave them as they are."""
    folders = {}
    for method in ("retrain", "sisa"):
        folders[method] = tmp_path_factory.mktemp("begun") / method
        begin(folders[method], challenge, signer, Order(method))
    return folders


@pytest.fixture
def queue_on(
    begun: dict[str, Path], challenge: kit.Challenge, signer: Signer, clock: Hands, tmp_path: Path
) -> Callable[[str], Queue]:
    def copy(method: str, name: str = "trail") -> Queue:
        shutil.copytree(begun[method], tmp_path / name)
        return Queue(tmp_path / name, challenge, signer, clock)

    return copy


@pytest.mark.parametrize("seed", [0, 1])
def test_after_any_stream_the_bits_are_those_of_a_training_without_its_records(
    queue_on: Callable[..., Queue], seed: int
) -> None:
    """Requests of random sizes in random order, at random moments served; copies of a record go with it."""
    queue_, generator = queue_on("retrain"), np.random.default_rng(seed)
    rows, gone, waiting = list(map(int, generator.permutation(len(queue_.challenge.train)))), set[int](), set[int]()
    rows.remove(TWIN)
    for number in range(4):
        taken = [rows.pop() for _ in range(generator.integers(1, 4))] + ([ORIGINAL] if number == 1 else [])
        rows = [row for row in rows if row not in taken]
        queue_.add(f"{number}", sorted({*taken}))
        waiting |= {*taken} | ({TWIN} if ORIGINAL in taken else set())
        if generator.random() < 0.5 or number == 3:
            queue_.serve(f"every:{generator.integers(1, 3)}" if number < 3 else "at-once")
            with queue_.store() as store:
                done = set(store.settled_records())
            register = OnTrail(
                queue_.folder, queue_.challenge, queue_.signer, Key.read(queue_.folder / FOLDER)
            ).register
            gone = {row for row, name in enumerate(register.tombstones) if name in done}
            assert gone <= waiting
            assert_trained_without(queue_, gone)
    assert gone == waiting
    assert {ORIGINAL, TWIN} <= gone


@pytest.mark.slow
def test_sisa_serves_a_queue_and_an_auditor_executes_all_of_it_again(queue_on: Callable[..., Queue]) -> None:
    queue_ = queue_on("sisa")
    for number, rows in enumerate([[5], [11, 12], [80]]):
        queue_.add(f"{number}", rows)
    outcomes = queue_.serve("every:2") + queue_.serve("at-once")
    assert [outcome["method"] for outcome in outcomes] == ["sisa", "sisa"]
    verdict = Verification(queue_.folder / "certificate.json", queue_.signer.verifier, lambda _: None).run(
        2, queue_.challenge
    )
    assert verdict.holds, [check.message for check in verdict.checks]
    trail_ = queue_.trail()
    net, states = originals.build(queue_.challenge), [bytes(state) for state in trail_.states()]
    execution_ = Sharded(queue_.challenge, queue_.challenge.train, trail_.training.predicate["settings"])
    slices = trail_.training.predicate["settings"]["slices"]
    probabilities = []
    for state in states[slices - 1 :: slices]:
        numbers, weights, place = execution_.numbers(state).astype(np.float32), [], 0
        for array in net.get_weights():
            weights.append(numbers[place : place + array.size].reshape(array.shape))
            place += array.size
        net.set_weights(weights)
        probabilities.append(softmax(net.predict(queue_.challenge.test.x, verbose=0), axis=1))
    right = np.mean(probabilities, axis=0).argmax(1) == queue_.challenge.test.y
    assert outcomes[-1]["report"]["test"]["after"]["accuracy"] == pytest.approx(float(right.mean()))


@pytest.mark.slow
def test_networks_are_made_and_traced_once_for_all_batches(
    queue_on: Callable[..., Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_, networks = queue_on("sisa"), []
    make = sisa.ensemble_of

    def counted(*arguments: Any) -> Any:
        networks.append(make(*arguments))
        return networks[-1]

    monkeypatch.setattr(sisa, "ensemble_of", counted)
    for row in (5, 11, 80):
        queue_.add(f"{row}", [row])
    assert len(queue_.serve("at-once")) == 3
    traces = [compiled.traces(ensembles.members(net)[0]) for net in networks]
    assert traces == [0, 1], "one to measure with, and one to forget with"


@pytest.mark.slow
def test_constant_work_is_the_same_for_each_record_and_is_executed_again(queue_on: Callable[..., Queue]) -> None:
    queue_ = queue_on("sisa")
    queue_.add("0", [5])
    (outcome,) = queue_.serve(constant=True)
    assert (outcome["method"], outcome["served"]) == ("sisa", "the same work each time")
    trail_ = queue_.trail()
    assert {*trail_.training.predicate["origins"]} == {trail_.number}, "the log does not tell the slice"
    verification = Verification(queue_.folder / "certificate.json", queue_.signer.verifier, lambda _: None)
    verdict = verification.run(2, queue_.challenge)
    assert verdict.holds, [check.message for check in verdict.checks]


def test_the_evidence_holds_receipts_and_the_report_before_and_after(queue_on: Callable[..., Queue]) -> None:
    queue_ = queue_on("retrain")
    queue_.add("a", [ORIGINAL, 20])
    before = queue_.trail()
    before_weights = before.weights()
    (outcome,) = queue_.serve()
    contents = {row.tobytes() for row in commitment.contents(queue_.challenge.train.take(np.array([ORIGINAL, 20])))}
    with queue_.store() as store:
        content, folder = evidence.read(store, 1), evidence.place(store, 1)
        (plan,) = store.connection.execute("SELECT plan FROM batches").fetchone()
    assert plan is None, "what led from tombstones to leaves is erased"
    receipts = sorted(folder.glob("receipt-*"))
    assert len(receipts) == 3, "one of them is the copy's"
    for path in receipts:
        stated = [self_check(path.read_bytes(), queue_.signer, record) for record in contents]
        assert stated.count(True) == 1
    assert not list((queue_.folder / trail.RECEIPTS).iterdir())
    assert content["outcome"]["report"] == outcome["report"]
    net = originals.build(queue_.challenge)
    for when, certified in (("after", queue_.trail()),):
        net.set_weights(certified.weights())
        logits = net.predict(queue_.challenge.test.x, verbose=0)
        accuracy = float((logits.argmax(1) == queue_.challenge.test.y).mean())
        assert outcome["report"]["test"][when]["accuracy"] == pytest.approx(accuracy)
    assert outcome["report"]["records"]["examples"] == 3
    for when, certified in (("before", before_weights), ("after", queue_.trail().weights())):
        net.set_weights(certified)
        data, rows = queue_.challenge, [ORIGINAL, TWIN, 20]
        records, test = (
            log_loss_of(net, x, y) for x, y in ((data.train.x[rows], data.train.y[rows]), (data.test.x, data.test.y))
        )
        pairs = (records[:, None] < test) + 0.5 * (records[:, None] == test)
        assert outcome["report"]["attack"][when]["auc"] == pytest.approx(pairs.mean(), abs=1e-4)
    assert "AUC of" in (folder / evidence.STATEMENT).read_text()
    assert before.number < queue_.trail().number


def log_loss_of(net: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -np.log(softmax(net.predict(x, verbose=0).astype(np.float64), axis=1)[np.arange(len(y)), y])


def self_check(receipt: bytes, signer: Signer, content: bytes) -> bool:
    try:
        check_receipt(receipt, signer.verifier, content)
    except signatures.Rejected:
        return False
    return True


def test_what_the_door_refuses(queue_on: Callable[..., Queue]) -> None:
    queue_ = queue_on("retrain")
    size = len(queue_.challenge.train)
    with pytest.raises(Refused, match="There is no record"):
        queue_.add("a", [size])
    queue_.add("a", [ORIGINAL])
    with pytest.raises(Refused, match="request 1 already, which is waiting"):
        queue_.add("b", [TWIN])
    queue_.serve()
    with pytest.raises(Refused, match="request 1 already, which is done"):
        queue_.add("c", [TWIN])
    queue_.add("a", [ORIGINAL])  # the same, sent again
    delete(queue_.folder, without(queue_.challenge, [30]), queue_.signer, Order())
    with pytest.raises(Refused, match="not among those that the model has learnt"):
        queue_.add("d", [30])


def without(challenge: kit.Challenge, rows: list[int]) -> kit.Challenge:
    rest = np.delete(np.arange(len(challenge.train)), rows)
    return dataclasses.replace(challenge, split=Split("by hand", 0, np.array(rows), rest))


def test_records_that_somebody_deleted_by_hand_meanwhile_hold_nobody_up(queue_on: Callable[..., Queue]) -> None:
    queue_ = queue_on("retrain")
    queue_.add("a", [30])
    queue_.add("b", [31, 32])
    delete(queue_.folder, without(queue_.challenge, [30, 31]), queue_.signer, Order())
    first, second = queue_.serve()
    assert (first["class"], first["deleted"]) == ("earlier", 0)
    assert (second["class"], second["deleted"], second["gone_earlier"]) == ("exact", 1, 1)
    assert_trained_without(queue_, {30, 31, 32})
    with queue_.store() as store:
        assert evidence.read(store, 1)["files"] == {}
        assert "had forgotten" in (evidence.place(store, 1) / evidence.STATEMENT).read_text()
        assert len(list(evidence.place(store, 2).glob("receipt-*"))) == 1


class Killed(BaseException):
    """Stands for kill -9."""


def killed_at(queue_: Queue, moment: int) -> bool:
    """Serves the queue by a process that ends before it puts its file of this number in place."""
    replace, count = os.replace, 0

    def mortal(*arguments: Any, **more: Any) -> None:
        nonlocal count
        if count >= moment:
            count += 1
            raise Killed
        count += 1
        replace(*arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", mortal)
        try:
            queue_.serve("every:2")
        except Killed:
            return True
    return False


def assert_served_once(queue_: Queue) -> None:
    queue_.serve("every:2")
    gone = {ORIGINAL, TWIN, 20, 21}
    assert_trained_without(queue_, gone)
    log = queue_.trail().log
    assert [entry.kind for entry in log.entries].count("deletion") == 1
    with queue_.store() as store:
        assert store.counts() == {"waiting": 0, "at work": 0, "done": 2}
        for number, receipts in ((1, 2), (2, 2)):
            evidence.read(store, number)
            assert len(list(evidence.place(store, number).glob("receipt-*"))) == receipts
    verdict = Verification(queue_.folder / "certificate.json", queue_.signer.verifier, lambda _: None).run(0)
    assert verdict.holds
    assert len(list(queue_.folder.glob("training-*"))) == 1


def with_two_requests(queue_: Queue) -> Queue:
    queue_.add("a", [ORIGINAL])
    queue_.add("b", [20, 21])
    return queue_


@pytest.mark.parametrize("moment", [5, 8])
def test_a_model_whose_process_was_killed_is_gone_on_with(queue_on: Callable[..., Queue], moment: int) -> None:
    queue_ = with_two_requests(queue_on("retrain"))
    assert killed_at(queue_, moment)
    assert_served_once(queue_)


@pytest.mark.slow
def test_a_process_may_be_killed_before_any_file_of_it_is_in_place(queue_on: Callable[..., Queue]) -> None:
    moment = 0
    while True:
        queue_ = with_two_requests(queue_on("retrain", f"trail-{moment}"))
        died = killed_at(queue_, moment)
        assert_served_once(queue_)
        if not died:
            break
        moment += 1
    assert moment > 8


def test_a_restored_model_and_restored_data_forget_again(queue_on: Callable[..., Queue]) -> None:
    queue_, restored = queue_on("retrain"), queue_on("retrain", "restored")
    queue_.add("a", [ORIGINAL, 40])
    queue_.add("b", [41])
    queue_.add("c", [42])
    queue_.serve("every:2")
    with queue_.store() as store:
        key = Key.read(store.folder)
        register = OnTrail(queue_.folder, queue_.challenge, queue_.signer, key).register
        gone = {ORIGINAL, TWIN, 40, 41}
        assert {*map(int, replay.rows_of(store, register))} == gone
        arguments = (store, key, restored.folder, queue_.challenge, queue_.signer)
        done = replay.replayed(*arguments, register=register)
        assert (done.again, done.certificate is None) == (3, False)
        assert_trained_without(restored, gone)
        again = replay.replayed(*arguments, register=register)
        assert (again.again, again.certificate) == (0, None)
        assert [event.kind for event in store.history()].count("replayed") == 1
        assert Key(bytes(32)).names([b"a"]) != key.names([b"a"])
        assert not len(
            replay.rows_of(store, queue.Register.over(Key(bytes(32)), commitment.contents(queue_.challenge.train)))
        )


@pytest.mark.parametrize("method", ["scrub", "finetune"])
def test_approximate_methods_serve_no_queue(method: str) -> None:
    with pytest.raises(InputError, match="is approximate"):
        methods.require_usable(method)


def test_accuracy_over_time_is_that_of_models_without_the_forgotten(challenge: kit.Challenge) -> None:
    first, last = decay.points(challenge, [0, 60], seed=5)
    assert (first.forgotten, last.forgotten) == (0, 60)
    gone = np.random.default_rng(5).permutation(len(challenge.train))[:60]
    rest = challenge.train.take(np.delete(np.arange(len(challenge.train)), gone))
    net = originals.build(challenge)
    net.set_weights(Plain(challenge, rest, 5, {"every": challenge.recipe.epochs}).train().trained.weights)
    right = net.predict(challenge.test.x, verbose=0).argmax(1) == challenge.test.y
    assert last.accuracy == pytest.approx(float(right.mean()))
    assert last.stderr == pytest.approx(float(right.std() / np.sqrt(len(right))))
    with pytest.raises(InputError, match="are forgotten in the simulation"):
        decay.counts_of(168, 2, available=len(challenge.train))


@pytest.mark.parametrize(
    ("began", "spent", "records", "method"),
    [
        ("retrain", None, 1, "retrain"),
        ("finetune", None, 1, "retrain"),
        ("sisa", None, 500, "sisa"),
        ("certified_removal", 0.0, 10, "certified_removal"),
        ("certified_removal", 0.85, 2, "retrain"),
        ("certified_removal", 0.75, 2, "certified_removal"),
        ("certified_removal", 0.0, 11, "retrain"),
    ],
)
def test_the_cheapest_method_is_certified_while_its_budget_lasts(
    tmp_path: Path, began: str, spent: float | None, records: int, method: str
) -> None:
    (tmp_path / "kept").mkdir()
    if spent is not None:
        facts.write(tmp_path / "kept", {"removals_that_fit": 10.0, "budget_spent": spent})
    certified: Any = SimpleNamespace(
        kept=lambda: tmp_path / "kept", training=SimpleNamespace(predicate={"method": began})
    )
    batch: Any = SimpleNamespace(records=tuple(map(str, range(records))))
    assert methods.method_of(methods.CHEAPEST, certified, batch, no_share)[0] == method
    assert methods.method_of("retrain", certified, batch, no_share) == ("retrain", "asked for")


def no_share() -> float:
    raise AssertionError("it is asked for where shards are compared with retraining, and nowhere else")


def test_a_budget_that_the_method_renewed_by_itself_lasts_again(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    facts.write(tmp_path / "kept", {"removals_that_fit": 10.0, "budget_spent": 1.3, "retrained": 1.0})
    certified: Any = SimpleNamespace(
        kept=lambda: tmp_path / "kept", training=SimpleNamespace(predicate={"method": "certified_removal"})
    )
    batch: Any = SimpleNamespace(records=("a",))
    chosen = methods.method_of(methods.CHEAPEST, certified, batch, no_share)
    assert chosen == ("certified_removal", "leaves 90% of the certified budget")


@pytest.mark.parametrize(
    ("began", "spent", "share", "method"),
    [
        ("retrain", None, None, "retrain"),
        ("certified_removal", 0.85, None, "certified_removal"),
        ("certified_removal", 0.95, None, "sisa"),
        ("sisa", None, 0.99, "sisa"),
        ("sisa", None, 1.0, "retrain"),
    ],
)
def test_by_cost_goes_from_the_certified_method_to_shards_and_from_there_to_retraining(
    tmp_path: Path, began: str, spent: float | None, share: float | None, method: str
) -> None:
    (tmp_path / "kept").mkdir()
    if spent is not None:
        facts.write(tmp_path / "kept", {"removals_that_fit": 10.0, "budget_spent": spent})
    certified: Any = SimpleNamespace(
        kept=lambda: tmp_path / "kept", training=SimpleNamespace(predicate={"method": began})
    )
    batch: Any = SimpleNamespace(records=("a",))
    costs = no_share if share is None else lambda: share
    assert methods.method_of(methods.BY_COST, certified, batch, costs)[0] == method


@pytest.mark.slow
def test_a_certified_model_is_served_by_its_method(
    challenge: kit.Challenge, signer: Signer, clock: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path / "trail", challenge, signer, Order("certified_removal"))
    queue_ = Queue(tmp_path / "trail", challenge, signer, clock)
    queue_.add("a", [10])
    (outcome,) = queue_.serve()
    assert outcome["method"] == "certified_removal"
    assert {*outcome["guarantee"]} == {"epsilon", "delta"}
    # As if it had been the method that has noted it: what somebody else writes there is not believed.
    spent = facts.read(queue_.trail().kept()) | {"budget_spent": 1.0}
    monkeypatch.setattr(methods, "facts", SimpleNamespace(read=lambda _: spent))
    queue_.add("b", [11])
    (outcome,) = queue_.serve()
    assert (outcome["method"], outcome["class"]) == ("retrain", "exact")
