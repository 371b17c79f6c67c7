"""Certificates and receipts: what they show, what they cannot be made for, and that a changed byte is found."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import kit
from kit.proofs import certificate as certificates
from kit.proofs import certify, commitment, editing, signatures, trail
from kit.proofs.certificate import NOT_PROVEN, Certificate, check_receipt
from kit.proofs.certify import Order, begin, certified, delete
from kit.proofs.commitment import Commitment
from kit.proofs.finishing import finished
from kit.proofs.log import Log
from kit.proofs.salts import Salts
from kit.proofs.signatures import Rejected, Signer, Verifier
from kit.proofs.trail import Trail
from kit.types import Arrays, Split

FLIPS = 10_000
DAMAGED = r"damaged, or was changed|was signed by the key|does not know"


def certificate_of(folder: Path, verifier: Verifier) -> Certificate:
    return Certificate.of((folder / certificates.NAME).read_bytes(), verifier)


def receipts_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / trail.RECEIPTS).iterdir())]


def test_it_is_about_the_forget_set_and_nothing_else(
    deleted: Path, begun: Path, challenge: kit.Challenge, verifier: Verifier
) -> None:
    certificate, before = certificate_of(deleted, verifier), Salts.read(begun)
    contents = commitment.contents(challenge.train)
    forget = before.leaves[before.rows_of(contents[challenge.split.forget])]
    assert sorted(leaf.tobytes() for leaf in forget) == list(certificate.deletion.deleted)
    assert certificate.deletion.old == Trail.read(begun, verifier).leaves().head
    assert certificate.deletion.new == Trail.read(deleted, verifier).leaves().head
    assert (certificate.deletion.method, certificate.deletion.kind) == ("retrain", "exact")
    assert not list(deleted.glob("training-2"))  # the model that knows the records


def test_it_prints_what_it_does_not_prove(deleted: Path, verifier: Verifier) -> None:
    lines = certificate_of(deleted, verifier).lines()
    text = "\n".join(lines)
    for words in ("other copy", "near-duplicate", "settings", "first commitment was complete", "weaker", "--nonce"):
        assert words in text
    assert len(NOT_PROVEN) == 4


def test_the_public_files_hold_no_data_and_no_salt(deleted: Path, begun: Path, challenge: kit.Challenge) -> None:
    before = Salts.read(begun)
    secrets = [row.tobytes() for row in (*before.salts, *before.contents)]
    public = [deleted / "log.jsonl", deleted / certificates.NAME, *deleted.glob("training-*/leaves.npy")]
    content = b"".join(path.read_bytes() for path in public)
    assert not [secret for secret in secrets if secret in content or secret.hex().encode() in content]
    assert not [image for image in challenge.train.x if image.tobytes() in content]


def test_the_trail_forgets_the_salts_once_receipts_are_handed_over(
    deleted: Path, begun: Path, challenge: kit.Challenge, copied: Callable[[Path], Path]
) -> None:
    folder = copied(deleted)
    before = Salts.read(begun)
    rows = before.rows_of(commitment.contents(challenge.train)[challenge.split.forget])
    assert len(rows) == len(challenge.split.forget)
    erased = [row.tobytes() for row in (*before.salts[rows], *before.contents[rows])]
    kept = np.delete(before.salts, rows, axis=0)[0].tobytes()

    def holding(secret: bytes) -> list[Path]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return [path for path in files if secret in path.read_bytes() or secret.hex().encode() in path.read_bytes()]

    shutil.rmtree(folder / trail.RECEIPTS)
    assert holding(kept) == [folder / "private/salts.npy"]
    assert [path for secret in erased for path in holding(secret)] == []


# What a person is given


def test_a_receipt_shows_that_a_record_was_there_and_is_not(
    deleted: Path, challenge: kit.Challenge, verifier: Verifier
) -> None:
    contents = commitment.contents(challenge.train)
    forget = [content.tobytes() for content in contents[challenge.split.forget]]
    unmatched = set(forget)
    for receipt in receipts_of(deleted):
        assert len(receipt) < 10_000
        own = [content for content in forget if opens(receipt, content, verifier)]
        assert len(own) == 1
        unmatched -= set(own)
    assert not unmatched
    stays = contents[challenge.split.retain[0]].tobytes()
    assert not any(opens(receipt, stays, verifier) for receipt in receipts_of(deleted))


def opens(receipt: bytes, content: bytes, verifier: Verifier) -> bool:
    leaf = check_receipt(receipt, verifier)["present"]["leaf"]
    try:
        assert check_receipt(receipt, verifier, content)["present"]["leaf"] == leaf
    except Rejected:
        return False
    return True


def test_a_receipt_holds_no_data_and_no_hash_of_them(deleted: Path, challenge: kit.Challenge) -> None:
    import base64

    contents = commitment.contents(challenge.train)
    for receipt in receipts_of(deleted):
        payload = base64.b64decode(json.loads(receipt)["payload"])
        assert not [content for content in contents if content.tobytes().hex().encode() in payload]


# What cannot be had


def test_no_certificate_is_made_for_a_record_that_is_present(
    begun: Path, deleted: Path, signer: Signer, refused: Callable[..., str]
) -> None:
    certificate, log = certificate_of(deleted, signer.verifier), Trail.read(deleted, signer.verifier).log
    present = Trail.read(deleted, signer.verifier).leaves()
    stays = present.leaves[0].tobytes()
    for leaves in ((stays,), (stays, *certificate.deletion.deleted)):
        deletion = dataclasses.replace(certificate.deletion, deleted=tuple(sorted(leaves)))
        refused(
            lambda deletion=deletion: certified(log, signer, deletion, present, {}), "cannot be made", "in the tree"
        )
    # Nor with the old tree, in which the deleted records still are.
    old = Trail.read(begun, signer.verifier).leaves()
    refused(lambda: certified(log, signer, certificate.deletion, old, {}), "cannot be made")


def test_signing_a_claim_does_not_make_it_hold(deleted: Path, signer: Signer) -> None:
    """Who has the key can sign anything; proofs of absence cannot be signed into being."""
    certificate, log = certificate_of(deleted, signer.verifier), Trail.read(deleted, signer.verifier).log
    present = Trail.read(deleted, signer.verifier).leaves()
    stays = present.leaves[0].tobytes()
    deletion = dataclasses.replace(certificate.deletion, deleted=tuple(sorted((stays, *certificate.deletion.deleted))))
    deletion = dataclasses.replace(deletion, new=dataclasses.replace(deletion.new, size=deletion.new.size - 1))
    absences = tuple(
        dataclasses.replace(certificate.absences[0], leaf=leaf) if leaf == stays else
        next(proof for proof in certificate.absences if proof.leaf == leaf) for leaf in deletion.deleted
    )  # fmt: skip
    lying = log.with_statement(signer, certificates.DELETION, {}, deletion.to_json())
    forged = Certificate(lying.entries[-1], deletion, absences).to_bytes()
    with pytest.raises(Rejected, match="damaged"):
        Certificate.of(forged, signer.verifier)


def with_split(challenge: kit.Challenge, forget: np.ndarray, train: Arrays | None = None) -> kit.Challenge:
    train = train or challenge.train
    split = Split("rows", 0, forget, np.setdiff1d(np.arange(len(train)), forget))
    return dataclasses.replace(challenge, train=train, split=split)


def test_a_copy_that_would_stay_is_found_before_any_training(
    challenge: kit.Challenge, signer: Signer, tmp_path: Path, refused: Callable[..., str]
) -> None:
    """The copy has another salt, and so another leaf: only its content shows it."""
    train = challenge.train.take(np.array([*range(40), 3]))
    twice = with_split(challenge, np.array([3]), train)
    begin(tmp_path, twice, signer, Order(commit_only=True))
    begin(tmp_path, twice, signer, Order(every=9))
    refused(lambda: delete(tmp_path, twice, signer, Order()), "a second time", "copies")
    both = with_split(challenge, np.array([3, 40]), train)
    certificate = delete(tmp_path, both, signer, Order())
    assert certificate is not None
    assert len(certificate.deletion.deleted) == 2


def test_records_that_are_not_committed_to_are_refused(
    deleted: Path, challenge: kit.Challenge, signer: Signer, copied: Callable[[Path], Path], refused: Callable[..., str]
) -> None:
    folder = copied(deleted)
    again = with_split(challenge, challenge.split.forget[:2])
    refused(lambda: delete(folder, again, signer, Order()), "2 of 2 records", "deleted before")
    everything = with_split(challenge, challenge.split.retain, challenge.train)
    refused(lambda: delete(folder, everything, signer, Order()), "All committed records")


def test_what_does_not_fit_is_refused(
    begun: Path, challenge: kit.Challenge, signer: Signer, tmp_path: Path, refused: Callable[..., str]
) -> None:
    refused(lambda: begin(begun, challenge, signer, Order()), "has a certified training already")
    refused(lambda: begin(tmp_path / "new", challenge, signer, Order("finetune")), "no training of the original")
    refused(lambda: delete(begun, challenge, signer, Order("sisa")), "'sisa' cannot forget", "retrain")
    refused(lambda: delete(begun, challenge, signer, Order("original")), "'original' cannot forget")
    refused(lambda: delete(begun, challenge, signer, Order("finetune")), "approximate", "--report")
    with pytest.raises(Rejected, match="has no training"):
        delete(tmp_path / "new", challenge, signer, Order())


def test_an_auditors_nonce_comes_after_the_commitment(challenge: kit.Challenge, signer: Signer, tmp_path: Path) -> None:
    committed = begin(tmp_path, challenge, signer, Order(commit_only=True))
    assert [entry.kind for entry in committed.log.entries] == ["commitment"]
    begun = begin(tmp_path, challenge, signer, Order(every=9, nonce="ab" * 16))
    assert [entry.kind for entry in begun.log.entries] == ["commitment", "nonce", "training"]
    assert begun.log.entries[1].predicate["nonce"] == "ab" * 16
    assert delete(tmp_path, challenge, signer, Order(commit_only=True)) is None
    certificate = delete(tmp_path, challenge, signer, Order(every=9, nonce="cd" * 16))
    assert certificate is not None
    assert "--nonce" not in "\n".join(certificate.lines())
    kinds = [entry.kind for entry in Trail.read(tmp_path, signer.verifier).log.entries]
    assert kinds == ["commitment", "nonce", "training"] * 2 + ["deletion"]


# 10,000 flipped bytes


def flips(content: bytes, number: int, seed: int) -> list[bytes]:
    generator = np.random.default_rng(seed)
    places, changes = generator.integers(len(content), size=number), generator.integers(1, 256, size=number)
    flipped = []
    for place, change in zip(places.tolist(), changes.tolist(), strict=True):
        other = bytearray(content)
        other[place] ^= change
        flipped.append(bytes(other))
    return flipped


def missed(check: Callable[[bytes], object], content: bytes, number: int, seed: int) -> int:
    """Counts changed contents that are taken for whole ones; any other error than a paragraph fails the test."""
    check(content)
    paragraphs = []
    for other in flips(content, number, seed):
        try:
            check(other)
        except Rejected as rejected:
            paragraphs.append(str(rejected))
    assert not [paragraph for paragraph in paragraphs if "\n" in paragraph or "Expected" not in paragraph]
    return number - len(paragraphs)


@pytest.mark.slow
def test_no_flipped_byte_of_log_certificate_or_receipt_is_missed(deleted: Path, verifier: Verifier) -> None:
    log, certificate = (deleted / "log.jsonl").read_bytes(), (deleted / certificates.NAME).read_bytes()
    assert missed(lambda content: Log.of(content, verifier), log, FLIPS // 4, seed=1) == 0
    assert missed(lambda content: Certificate.of(content, verifier), certificate, FLIPS // 4, seed=2) == 0
    assert missed(lambda content: check_receipt(content, verifier), receipts_of(deleted)[0], FLIPS // 10, seed=3) == 0


def test_no_flipped_byte_of_weights_leaves_or_states_is_missed(
    deleted: Path, verifier: Verifier, copied: Callable[[Path], Path]
) -> None:
    trail_of_copy = Trail.read(copied(deleted), verifier)
    checks = {trail.WEIGHTS: trail_of_copy.check_weights, trail.LEAVES: trail_of_copy.leaves}
    for seed, (name, check) in enumerate({**checks, trail.STATES: trail_of_copy.states}.items()):
        path = trail_of_copy.path / name

        def check_file(content: bytes, path: Path = path, check: Callable[[], object] = check) -> None:
            path.write_bytes(content)
            check()

        whole = path.read_bytes()
        assert missed(check_file, whole, FLIPS // 20, seed) == 0
        path.write_bytes(whole)


def test_no_flipped_byte_of_the_data_is_missed(begun: Path, challenge: kit.Challenge) -> None:
    salts, train = Salts.read(begun), challenge.train
    committed = Commitment(salts.leaves)
    contents = commitment.contents(train)
    row_of = {content.tobytes(): row for row, content in enumerate(salts.contents)}
    generator, refused = np.random.default_rng(0), 0
    number = FLIPS // 4
    for _ in range(number):
        place = int(generator.integers(len(train)))
        record = bytearray(train.x[place].tobytes() + train.y[place].tobytes())
        record[int(generator.integers(len(record)))] ^= int(generator.integers(1, 256))
        x = np.frombuffer(bytes(record[: train.x[place].nbytes]), train.x.dtype)[np.newaxis]
        y = np.frombuffer(bytes(record[train.x[place].nbytes :]), train.y.dtype)
        content = commitment.contents(SimpleNamespace(x=x, y=y, sample_weight=None))  # type: ignore[arg-type]
        salt = salts.salts[[row_of[contents[place].tobytes()]]]
        refused += not committed.place(commitment.leaves(content, salt)[0].tobytes())[1]
    assert refused == number


def test_the_flips_are_ten_thousand() -> None:
    assert 2 * (FLIPS // 4) + FLIPS // 10 + 3 * (FLIPS // 20) + FLIPS // 4 == FLIPS


def test_data_that_lack_a_record_are_refused(begun: Path, challenge: kit.Challenge) -> None:
    salts = Salts.read(begun)
    records = salts.records_among(challenge.train.take(np.arange(len(challenge.train))[::-1]))
    assert (commitment.leaves(commitment.contents(records), salts.salts) == salts.leaves).all()
    with pytest.raises(Rejected, match=r"1 of \d+ committed records are not among"):
        salts.records_among(challenge.train.take(np.arange(1, len(challenge.train))))


def test_a_strangers_key_a_cut_file_and_another_statement_are_refused(deleted: Path, signer: Signer) -> None:
    content = (deleted / certificates.NAME).read_bytes()
    stranger = Signer(Ed25519PrivateKey.generate()).verifier
    with pytest.raises(Rejected, match="was signed by the key"):
        Certificate.of(content, stranger)
    with pytest.raises(Rejected, match="was signed by the key"):
        check_receipt(receipts_of(deleted)[0], stranger)
    for cut in (content[:-1], content[: len(content) // 2], b""):
        with pytest.raises(Rejected, match=DAMAGED):
            Certificate.of(cut, signer.verifier)
    nonce = Trail.read(deleted, signer.verifier).log.entries[1].line
    with pytest.raises(Rejected, match="its statement is a nonce"):
        Certificate.of(signatures.canonical({"absences": [], "envelope": nonce.decode()}) + b"\n", signer.verifier)
    with pytest.raises(Rejected, match="none as the kit writes them"):
        check_receipt(nonce + b"\n", signer.verifier)


def test_a_certified_edit_states_the_epsilon_that_it_ran_with(challenge: kit.Challenge, tmp_path: Path) -> None:
    plain = editing.guarantee("noisy_clipped_finetune", challenge, tmp_path, None)
    assert plain == {"epsilon": "10.0", "delta": "0.0001"}
    given = dataclasses.replace(challenge, hyperparameters={"noisy_clipped_finetune": {"epsilon": 2.0}})
    assert editing.guarantee("noisy_clipped_finetune", given, tmp_path, None)["epsilon"] == "2.0"


def test_a_deletion_whose_process_was_killed_after_its_line_is_finished_by_the_next_one(
    begun: Path,
    challenge: kit.Challenge,
    signer: Signer,
    copied: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its log says that the records are gone: so must the salts and the model that knows them be."""
    folder = copied(begun)
    with monkeypatch.context() as patch:
        patch.setattr(certify, "finished", lambda *_: None)  # it ends before
        delete(folder, challenge, signer, Order(every=1))
    assert not (folder / certificates.NAME).exists()
    assert len(list(folder.glob("training-*"))) == 2
    erased = len(Salts.read(begun).leaves) - len(challenge.split.forget)
    certificate = finished(folder, signer.verifier)
    assert certificate == certificate_of(folder, signer.verifier)
    assert certificate is not None
    assert len(certificate.deletion.deleted) == len(challenge.split.forget)
    assert len(Salts.read(folder).leaves) == erased
    assert [path.name for path in folder.glob("training-*")] == [Trail.read(folder, signer.verifier).path.name]
    content = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert finished(folder, signer.verifier) == certificate
    assert content == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_salts_are_erased_once_all_else_is_on_the_disk(
    begun: Path, challenge: kit.Challenge, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "trail"
    shutil.copytree(begun, folder)
    on_disk: set[int] = set()
    forced, write, checked = os.fsync, Salts.write, []

    def fsync(handle: int) -> None:
        forced(handle)
        on_disk.add(os.fstat(handle).st_ino)

    def erase(self: Salts, place: Path) -> None:
        trail_ = Trail.read(folder, signer.verifier)
        promised = [folder, folder / "log.jsonl", folder / "certificate.json", folder / "receipts"]
        promised += [trail_.path, *trail_.path.rglob("*"), *(folder / "receipts").iterdir()]
        checked.append([path.name for path in promised if path.stat().st_ino not in on_disk])
        write(self, place)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Salts, "write", erase)
    delete(folder, challenge, signer, Order())
    assert checked == [[]]


def test_where_nothing_was_deleted_nothing_is_finished(begun: Path, verifier: Verifier) -> None:
    assert finished(begun, verifier) is None
