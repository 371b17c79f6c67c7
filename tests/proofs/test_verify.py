"""Verifying: what an honest certificate passes, the cheats that are found, and how surely."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import kit
from kit.proofs import certificate as certificates
from kit.proofs import certify, commitment, filing, terms, trainings
from kit.proofs.certify import Order, begin, delete
from kit.proofs.execution import Retraining
from kit.proofs.log import Log
from kit.proofs.salts import Salts
from kit.proofs.segments import check_segments
from kit.proofs.signatures import Rejected, Signer, Verifier
from kit.proofs.states import Trained
from kit.proofs.trail import Trail
from kit.proofs.trainings import Plain, Segments
from kit.proofs.verify import Draw, Verdict, Verification
from kit.types import Arrays


def verdict_on(folder: Path, verifier: Verifier, level: int, challenge: kit.Challenge | None = None) -> Verdict:
    return Verification(folder / certificates.NAME, verifier).run(level, challenge, Draw(2, seed=0))


def failure(verdict: Verdict) -> str:
    (message,) = [check.message for check in verdict.checks if check.status == "FAIL"]
    assert "\n" not in message
    assert "Expected" in message
    return message


@pytest.mark.parametrize("level", [0, 1, 2])
def test_an_honest_certificate_holds(deleted: Path, verifier: Verifier, challenge: kit.Challenge, level: int) -> None:
    verdict = verdict_on(deleted, verifier, level, challenge)
    assert verdict.holds
    assert not verdict.weaker
    names = [check.name for check in verdict.checks]
    assert names == ["certificate", "log", "terms", "trees", "chain", *(["data", "execution"] if level else [])]
    assert len(verdict.not_proven) == 6


def test_an_auditor_needs_no_more_than_what_stays(deleted: Path, verifier: Verifier, challenge: kit.Challenge) -> None:
    """Nor do rows have to lie as they did, nor does the challenge have to forget the same records."""
    order = np.random.default_rng(1).permutation(challenge.split.retain)
    reduced = trainings.alone(challenge, challenge.train.take(order))
    assert verdict_on(deleted, verifier, 2, dataclasses.replace(reduced, name="another")).holds


def test_the_model_is_what_retraining_with_the_stated_seed_gives(
    deleted: Path, verifier: Verifier, challenge: kit.Challenge
) -> None:
    trail = Trail.read(deleted, verifier)
    records = Salts.read(deleted).records_among(challenge.train)
    expected = Retraining(challenge, records, trail.training.predicate["seed"], 9).train().weights
    assert all(map(np.array_equal, trail.weights(), expected))
    assert {content.tobytes() for content in commitment.contents(records)} == {
        content.tobytes() for content in commitment.contents(challenge.train)[challenge.split.retain]
    }


# Four cheats: each signs what it likes, with the right key


Train = Callable[[kit.Challenge, Arrays, int], Trained]


def cheat(
    monkeypatch: pytest.MonkeyPatch, folder: Path, challenge: kit.Challenge, signer: Signer, train: Train
) -> None:
    """Certifies a deletion whose training is another than the one that is stated."""

    def trained(place: Path, challenge: kit.Challenge, records: Arrays, fixed: filing.Terms, order: Order) -> Segments:
        honest = Plain(challenge, records, fixed.seed, {"every": 1})
        names = tuple(map(str, range(len(honest))))
        return Segments(names, (None,) * len(names), {"every": 1}, train(challenge, records, fixed.seed))

    with monkeypatch.context() as patch:
        patch.setattr(certify, "_trained", trained)
        delete(folder, challenge, signer, Order())


def not_retrained(folder: Path, verifier: Verifier) -> Train:
    trail = Trail.read(folder, verifier)
    states, weights = trail.states(), list(trail.weights())
    return lambda *_: Trained(states, weights)


def with_the_record(challenge: kit.Challenge, records: Arrays, seed: int) -> Trained:
    joined = np.concatenate([challenge.split.retain, challenge.split.forget[:1]])
    return Retraining(challenge, challenge.train.take(joined), seed, 1).train()


def near_duplicate(challenge: kit.Challenge, records: Arrays, seed: int) -> Trained:
    """Another record's place is taken by one that is nearly a deleted one."""
    x, y, gone = records.x.copy(), records.y.copy(), challenge.split.forget[0]
    x[0], y[0] = challenge.train.x[gone] * np.float32(1 + 1e-6), challenge.train.y[gone]
    return Retraining(challenge, Arrays(x, y), seed, 1).train()


def chosen_order(challenge: kit.Challenge, records: Arrays, seed: int) -> Trained:
    return Retraining(challenge, records.take(np.arange(len(records))[::-1]), seed, 1).train()


@pytest.mark.parametrize("name", ["not retrained", "with the record", "near-duplicate", "chosen order"])
def test_a_cheat_passes_level_0_and_is_rejected_at_level_2(
    name: str,
    begun: Path,
    copied: Callable[[Path], Path],
    challenge: kit.Challenge,
    signer: Signer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = copied(begun)
    trains = {"with the record": with_the_record, "near-duplicate": near_duplicate, "chosen order": chosen_order}
    cheat(monkeypatch, folder, challenge, signer, trains.get(name) or not_retrained(folder, signer.verifier))
    assert verdict_on(folder, signer.verifier, 0).holds  # each signature is right
    message = failure(verdict_on(folder, signer.verifier, 2, challenge))
    assert "executed again, does not end where the log says" in message


def test_a_chosen_seed_is_rejected_without_executing_anything(
    begun: Path,
    copied: Callable[[Path], Path],
    challenge: kit.Challenge,
    signer: Signer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = copied(begun)
    with monkeypatch.context() as patch:
        patch.setattr(terms, "seed_of", lambda *_: 12345)
        delete(folder, challenge, signer, Order(every=9))
    assert "whoever trained has chosen it" in failure(verdict_on(folder, signer.verifier, 0))


def test_a_record_that_is_swapped_in_before_the_commitment_is_rejected_at_level_0(
    begun: Path,
    copied: Callable[[Path], Path],
    challenge: kit.Challenge,
    signer: Signer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The near-duplicate is committed to, with a salt of its own: the leaves are not the old ones without some."""
    folder = copied(begun)
    honest = Salts.without

    def swapped(self: Salts, rows: np.ndarray) -> Salts:
        kept = honest(self, rows)
        contents, salts = kept.contents.copy(), kept.salts.copy()
        contents[0], salts[0] = self.contents[rows[0]] ^ 1, commitment.draw_salts(1)[0]
        return Salts._sorted(contents, salts)

    with monkeypatch.context() as patch:
        patch.setattr(Salts, "without", swapped)
        patch.setattr(Salts, "records_among", lambda self, data, contents=None: data.take(np.arange(len(self.leaves))))
        delete(folder, challenge, signer, Order(every=9))
    assert "a record was added, or swapped" in failure(verdict_on(folder, signer.verifier, 0))


# Level 1


class Cheap:
    """A training whose segments cost nothing: each state follows from the one before, but for some that are lies."""

    def __init__(self, segments: int, lies: Sequence[int]) -> None:
        self.states = [bytes([number % 256, number in lies]) for number in range(segments)]
        self.executed: list[int] = []

    def __len__(self) -> int:
        return len(self.states)

    def execute(self, number: int, before: bytes) -> bytes:
        self.executed.append(number)
        assert before == (self.states[number - 1] if number else b"")
        return bytes([number % 256, 0])

    def weights(self, states: Sequence[bytes]) -> list[np.ndarray]:
        raise AssertionError("of no use here")

    def numbers(self, state: bytes) -> np.ndarray:
        return np.frombuffer(state, np.uint8).astype(float)


@pytest.mark.parametrize(("share", "drawn"), [(0.02, 5), (0.1, 3), (0.1, 20), (0.5, 2), (0.5, 5)])
def test_level_1_catches_a_cheat_as_often_as_the_formula_says(share: float, drawn: int) -> None:
    segments, trials = 50, 2000
    generator, caught = np.random.default_rng(int(1000 * share) + drawn), 0
    for trial in range(trials):
        lies = generator.choice(segments, int(share * segments), replace=False).tolist()
        cheap = Cheap(segments, lies)
        try:
            check_segments(cheap, cheap.states, Draw(drawn, seed=trial).of(segments))
        except Rejected:
            caught += 1
    low, high = stats.binom.interval(0.999, trials, 1 - (1 - share) ** drawn)
    assert low <= caught <= high


def test_on_another_machine_a_segment_that_ends_far_off_is_not_confirmed_and_not_called_a_lie() -> None:
    """Honest trainings drift apart there, by last bits that a training magnifies."""
    cheap = Cheap(6, [3])
    with pytest.raises(Rejected, match="not confirmed, and not refuted either"):
        check_segments(cheap, cheap.states, [3], tolerance=1e-2)
    with pytest.raises(Rejected, match="do not believe the certificate"):
        check_segments(cheap, cheap.states, [3])
    check_segments(cheap, cheap.states, [3], tolerance=1.0)


def test_what_is_drawn_twice_is_executed_once_and_nobody_can_foresee_it() -> None:
    cheap = Cheap(6, [])
    check_segments(cheap, cheap.states, [3, 1, 3, 3])
    assert cheap.executed == [1, 3]
    assert Draw(30).of(10**9) != Draw(30).of(10**9)
    assert Draw(30, seed=1).of(10**9) == Draw(30, seed=1).of(10**9)


def test_level_1_rejects_the_segments_that_were_drawn(
    begun: Path,
    copied: Callable[[Path], Path],
    challenge: kit.Challenge,
    signer: Signer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last epoch is a lie: a level 1 that draws it sees that, another does not."""
    folder = copied(begun)

    def last_is_a_lie(challenge: kit.Challenge, records: Arrays, seed: int) -> Trained:
        trained = Retraining(challenge, records, seed, 1).train()
        states = trained.states.copy()
        states[-1, 0] ^= 1
        return Trained(states, Retraining(challenge, records, seed, 1).weights(states[-1].tobytes()))

    cheat(monkeypatch, folder, challenge, signer, last_is_a_lie)
    path = folder / certificates.NAME
    seeds = {4 in Draw(2, seed=seed).of(5): seed for seed in range(20)}
    for drawn, seed in seeds.items():
        verdict = Verification(path, signer.verifier).run(1, challenge, Draw(2, seed=seed))
        assert verdict.holds != drawn


# Another machine, another version, another folder


def test_on_another_processor_the_verdict_says_that_it_is_weaker(
    deleted: Path, verifier: Verifier, challenge: kit.Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = terms.surroundings()
    monkeypatch.setattr(terms, "surroundings", lambda: here | {"machine": here["machine"] | {"processor": "another"}})
    execute = Plain.execute
    last_bits = np.random.default_rng(0)

    def nearly(self: Plain, number: int, before: bytes) -> bytes:
        state = np.frombuffer(execute(self, number, before), np.float32).copy()
        return (state * (1 + 1e-6 * last_bits.normal(size=state.shape))).astype(np.float32).tobytes()

    monkeypatch.setattr(Plain, "execute", nearly)
    verdict = verdict_on(deleted, verifier, 2, challenge)
    assert verdict.holds
    assert verdict.weaker
    assert "weaker" in verdict.checks[-1].message
    monkeypatch.setattr(
        Plain, "execute", lambda self, number, before: nearly(self, number, before)[:-4] + np.float32(9).tobytes()
        if number else np.zeros(len(nearly(self, 0, b"")), np.uint8).tobytes()
    )  # fmt: skip
    assert "distance" in failure(verdict_on(deleted, verifier, 2, challenge))


def test_nearness_is_not_enough_on_the_same_machine(
    deleted: Path, verifier: Verifier, challenge: kit.Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = Plain.execute

    def one_bit_off(self: Plain, number: int, before: bytes) -> bytes:
        state = bytearray(execute(self, number, before))
        state[0] ^= 1
        return bytes(state)

    monkeypatch.setattr(Plain, "execute", one_bit_off)
    assert "the same bits" in failure(verdict_on(deleted, verifier, 2, challenge))


def test_another_version_of_the_kit_is_refused_before_it_computes(
    deleted: Path,
    verifier: Verifier,
    challenge: kit.Challenge,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., str],
) -> None:
    monkeypatch.setattr(terms, "code_sha256", lambda: "0" * 64)
    refused(lambda: verdict_on(deleted, verifier, 1, challenge), "not the one that trained", "Install the version")
    assert verdict_on(deleted, verifier, 0).holds


def test_another_challenge_is_rejected(deleted: Path, verifier: Verifier, challenge: kit.Challenge) -> None:
    other = dataclasses.replace(challenge, batch_size=16)
    assert "not trained as the certificate says" in failure(verdict_on(deleted, verifier, 2, other))
    changed = Arrays(challenge.train.x + np.float32(1), challenge.train.y)
    other = dataclasses.replace(challenge, train=changed)
    assert "are not among the data" in failure(verdict_on(deleted, verifier, 1, other))


def test_a_log_that_was_cut_or_replaced_is_rejected(
    deleted: Path, begun: Path, signer: Signer, copied: Callable[[Path], Path]
) -> None:
    folder = copied(deleted)
    whole = (folder / "log.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "log.jsonl").write_bytes(b"".join(whole[:-1]))
    assert "is not in the log" in failure(verdict_on(folder, signer.verifier, 0))
    (folder / "log.jsonl").write_bytes(b"".join(whole[:-2]))
    assert "it was cut" in failure(verdict_on(folder, signer.verifier, 0))
    log = Log.of(b"".join(whole[:3]), signer.verifier)
    for entry in Trail.read(deleted, signer.verifier).log.entries[3:]:
        log = log.with_statement(signer, entry.kind, entry.subjects, {**entry.predicate, "more": True})
    log.write(folder)
    assert "lines were replaced" in failure(verdict_on(folder, signer.verifier, 0))
    shutil.copy(begun / "log.jsonl", folder / "log.jsonl")
    assert "it was cut" in failure(verdict_on(folder, signer.verifier, 0))


def test_the_certificate_of_an_earlier_deletion_says_so(
    begun: Path, challenge: kit.Challenge, signer: Signer, copied: Callable[[Path], Path]
) -> None:
    folder = copied(begun)
    first = dataclasses.replace(challenge, split=split_of(challenge, [0, 1]))
    delete(folder, first, signer, Order(every=9))
    (folder / certificates.NAME).rename(folder / "first.json")
    second = dataclasses.replace(challenge, split=split_of(challenge, [2]))
    delete(folder, second, signer, Order(every=9))
    assert verdict_on(folder, signer.verifier, 2, challenge).holds
    old = Verification(folder / "first.json", signer.verifier).run(0)
    assert "not about the last training" in failure(old)


def split_of(challenge: kit.Challenge, forget: list[int]) -> kit.types.Split:
    gone = np.array(forget)
    return kit.types.Split("rows", 0, gone, np.setdiff1d(np.arange(len(challenge.train)), gone))


# Other methods


@pytest.mark.slow
def test_sisa_is_executed_slice_by_slice_after_two_deletions(
    challenge: kit.Challenge, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dataclasses.replace(challenge, hyperparameters={"sisa": {"shards": 2, "slices": 2}})
    begin(tmp_path, own, signer, Order("sisa"))
    for forget in ([5], [17]):
        delete(tmp_path, dataclasses.replace(own, split=split_of(own, forget)), signer, Order("sisa"))
    trail = Trail.read(tmp_path, signer.verifier)
    assert trail.training.predicate["names"] == [
        "shard-0-slice-0",
        "shard-0-slice-1",
        "shard-1-slice-0",
        "shard-1-slice-1",
    ]
    assert len(set(trail.training.predicate["origins"])) >= 2  # not all was trained anew
    assert verdict_on(tmp_path, signer.verifier, 2, own).holds
    again = trainings.Sharded.again
    monkeypatch.setattr(trainings.Sharded, "again", lambda *arguments: again(*arguments)[:-1] + b"\x00")
    assert "does not end where the log says" in failure(verdict_on(tmp_path, signer.verifier, 2, own))


def test_a_certified_method_states_epsilon_and_delta_and_is_not_executed(
    challenge: kit.Challenge, signer: Signer, tmp_path: Path
) -> None:
    begin(tmp_path, challenge, signer, Order("certified_removal"))
    for forget in ([5], [17]):
        gone = dataclasses.replace(challenge, split=split_of(challenge, forget))
        certificate = delete(tmp_path, gone, signer, Order("certified_removal"))
        assert certificate is not None
        assert certificate.deletion.guarantee == {"epsilon": "10.0", "delta": "0.0001"}
    assert "certified (epsilon 10.0, delta 0.0001)" in certificate.lines()[0]
    verdict = verdict_on(tmp_path, signer.verifier, 2, challenge)
    assert verdict.holds
    assert verdict.checks[-1].status == "SKIP"


def test_what_a_method_keeps_is_believed_as_it_was_logged(
    challenge: kit.Challenge, signer: Signer, tmp_path: Path
) -> None:
    """A digit of it was the epsilon of the next certificate."""
    begin(tmp_path, challenge, signer, Order("certified_removal"))
    certified = Trail.read(tmp_path, signer.verifier)
    paths = [path for path in (certified.path / "model.json", *certified.kept().rglob("*")) if path.is_file()]
    assert {"model.json", "facts.json", "state.npz"} <= {path.name for path in paths}
    gone = dataclasses.replace(challenge, split=split_of(challenge, [5]))
    log = (tmp_path / "log.jsonl").read_bytes()
    for path in paths:
        content = path.read_bytes()
        for damaged in (content.replace(b"10.0", b"0.01"), content[:-1], bytes([content[0] ^ 1]) + content[1:], b""):
            if damaged != content:
                path.write_bytes(damaged)
                with pytest.raises(Rejected, match=r"What the method has kept .* Expected"):
                    certified.kept()
        path.write_bytes(content)
    facts = certified.kept() / "facts.json"
    assert b"10.0" in facts.read_bytes()
    facts.write_bytes(facts.read_bytes().replace(b"10.0", b"0.01"))
    with pytest.raises(Rejected, match="What the method has kept"):
        delete(tmp_path, gone, signer, Order("certified_removal"))
    assert (tmp_path / "log.jsonl").read_bytes().startswith(log)
    assert not list(tmp_path.glob("receipts/*"))
