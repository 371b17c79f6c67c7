"""The log only grows: what is cut, changed, moved or replaced shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kit.proofs import log as logs
from kit.proofs import signatures
from kit.proofs.commitment import Head
from kit.proofs.log import Log, check_consistency
from kit.proofs.signatures import Rejected, Signer, Verifier


@pytest.fixture(scope="module")
def grown(signer: Signer) -> Log:
    log = Log()
    for number in range(9):
        log = log.with_statement(signer, f"kind-{number % 2}", {"file": f"{number:064x}"}, {"number": number})
    return log


def test_a_log_is_read_as_it_was_written(grown: Log, verifier: Verifier, tmp_path: Path) -> None:
    grown.write(tmp_path)
    again = logs.read(tmp_path, verifier)
    assert again == grown
    assert again.head == grown.head
    assert [entry.predicate["number"] for entry in again.entries] == list(range(9))
    assert again.entries[3].subjects == {"file": f"{3:064x}"}
    number, entry = again.last("kind-1") or (-1, None)
    assert (number, entry) == (7, again.entries[7])
    assert again.last("kind-1", before=7) == (5, again.entries[5])
    assert again.last("kind-2") is None
    assert logs.read(tmp_path / "nowhere", verifier) == Log()


def test_each_line_holds_the_head_of_those_before_it(grown: Log) -> None:
    for number, entry in enumerate(grown.entries):
        assert entry.before == Log(grown.entries[:number]).head


@pytest.mark.parametrize("change", ["removed", "swapped", "doubled", "cut", "first removed"])
def test_what_happens_to_lines_shows(grown: Log, verifier: Verifier, change: str) -> None:
    lines = grown.to_bytes().splitlines(keepends=True)
    if change == "removed":
        del lines[4]
    elif change == "swapped":
        lines[3], lines[4] = lines[4], lines[3]
    elif change == "doubled":
        lines.insert(4, lines[4])
    elif change == "cut":
        lines[-1] = lines[-1][:-1]
    else:
        del lines[0]
    with pytest.raises(Rejected, match=r"damaged, or was changed.*Expected"):
        Log.of(b"".join(lines), verifier)


def test_lines_that_are_missing_at_the_end_show_to_who_remembers_a_head(grown: Log) -> None:
    for size in range(1, 9):
        head = Log(grown.entries[:size]).head
        grown.require_continues(head, "the certificate")
        with pytest.raises(Rejected, match="it was cut"):
            Log(grown.entries[: size - 1]).require_continues(head, "the certificate")
    grown.require_continues(Log().head, "the certificate")


def test_another_history_does_not_continue_this_one(grown: Log, signer: Signer) -> None:
    other = Log(grown.entries[:4])
    for _ in range(5):
        other = other.with_statement(signer, "kind", {}, {"number": -1})
    other.require_continues(Log(grown.entries[:4]).head, "the certificate")
    for size in range(5, 10):
        with pytest.raises(Rejected, match="lines were replaced"):
            other.require_continues(Log(grown.entries[:size]).head, "the certificate")
    with pytest.raises(Rejected, match="lines were replaced"):
        check_consistency((), Head(3, bytes(32)), grown.head, "the certificate")


def test_a_line_by_another_key_shows(grown: Log, verifier: Verifier) -> None:
    stranger = grown.with_statement(Signer(Ed25519PrivateKey.generate()), "kind", {}, {})
    with pytest.raises(Rejected, match=r"Line 10 of the log was signed by the key"):
        Log.of(stranger.to_bytes(), verifier)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ({"predicateType": "urn:unlearning-kit:proofs:v2:training"}, "which this kit does not know"),
        ({"_type": "https://in-toto.io/Statement/v2"}, "which this kit does not know"),
        ({"predicate": {}}, "what every statement"),
        ({"subject": [{"name": "x"}]}, "what every statement"),
        ({"predicate": None}, "what every statement"),
    ],
)
def test_another_version_is_refused(
    signer: Signer, verifier: Verifier, statement: dict[str, object], reason: str
) -> None:
    stated = signatures.statement(logs.PREFIX + "kind", {}, {"log": Log().head.to_json(), "when": ""})
    line = signer.sealed(json.loads(json.dumps(stated | statement)))
    with pytest.raises(Rejected, match=reason) as caught:
        Log.of(line + b"\n", verifier)
    assert "\n" not in str(caught.value)
