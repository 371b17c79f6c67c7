"""`kit certify` and `kit verify`, from a file of data to the receipt, and what they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import Result, call, one_paragraph
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    labels = np.arange(120) % 3
    features = np.random.default_rng(0).normal(size=(120, 6)) + labels[:, np.newaxis]
    np.savez(folder / "people.npz", x=features, y=labels, groups=np.arange(120) // 4)
    return folder / "people.npz"


@pytest.fixture(scope="module")
def certified(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certified") / "trail"
    result = call("certify", folder, "--challenge", data, "--forget", "random:0.05", "--quiet", "--json", "-")
    assert result.code == 0, result.err
    summary = json.loads(result.out)
    assert (summary["class"], summary["method"]) == ("exact", "retrain")
    assert summary["deleted"] == len(list((folder / "receipts").iterdir()))
    assert summary["not_proven"]
    for words in ("Certified:", "Not proven:", "near-duplicate", "hand them over"):
        assert words in result.err
    return folder


def verify(path: Path, *more: str | Path) -> Result:
    return call("verify", path, "--quiet", *more)


@pytest.mark.parametrize("level", ["0", "1", "2"])
def test_a_certificate_holds_at_each_level(certified: Path, data: Path, level: str) -> None:
    result = verify(certified / "certificate.json", "--level", level, "--challenge", data, "--json", "-")
    assert result.code == 0, result.err
    verdict = json.loads(result.out)
    assert (verdict["holds"], verdict["weaker"], verdict["level"]) == (True, False, int(level))
    assert {check["status"] for check in verdict["checks"]} == {"PASS"}
    assert "holds (level" in result.err
    assert "not proven: that no near-duplicate" in result.err


def test_a_receipt_is_checked_alone(certified: Path, tmp_path: Path) -> None:
    receipt = shutil.copy(next((certified / "receipts").iterdir()), tmp_path / "mine.json")
    result = verify(receipt)
    assert result.code == 0, result.err
    assert "is not among" in " ".join(result.out.split())


@pytest.mark.parametrize("level", ["0", "2"])
def test_damage_is_a_paragraph_and_exit_code_1(certified: Path, data: Path, tmp_path: Path, level: str) -> None:
    folder = Path(shutil.copytree(certified, tmp_path / "copy"))
    lines = (folder / "log.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "log.jsonl").write_bytes(b"".join(lines[:-3]))
    result = verify(folder / "certificate.json", "--level", level, "--challenge", data)
    assert result.code == 1
    printed = " ".join(result.out.split())
    assert "FAIL rejected" in printed
    assert "it was cut" in printed
    receipt = next((folder / "receipts").iterdir())
    content = bytearray(receipt.read_bytes())
    content[len(content) // 2] ^= 1
    receipt.write_bytes(content)
    assert "damaged, or was changed" in one_paragraph(verify(receipt), 1)


def test_another_key_is_a_paragraph(certified: Path, tmp_path: Path) -> None:
    pem, kind = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    path = tmp_path / "other.pub.pem"
    path.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes(pem, kind))
    result = verify(certified / "certificate.json", "--key", path)
    assert result.code == 1
    out = " ".join(result.out.split())
    assert "was signed by the key" in out
    assert "does NOT hold" in out


def test_wrong_use_is_refused_before_any_work(certified: Path, data: Path, tmp_path: Path) -> None:
    again = call("certify", certified, "--challenge", data)
    assert "nothing was said to be forgotten" in one_paragraph(again)
    early = call("certify", tmp_path / "new", "--challenge", data, "--forget", "random:0.1", "--commit")
    assert "Begin without --forget" in one_paragraph(early)
    short = call("certify", tmp_path / "new", "--challenge", data, "--nonce", "abc")
    assert "The nonce 'abc' cannot be used" in one_paragraph(short)
    assert not (tmp_path / "new").exists()


def test_a_commitment_waits_for_an_auditors_nonce(data: Path, tmp_path: Path) -> None:
    committed = call("certify", tmp_path / "new", "--challenge", data, "--commit", "--quiet", "--json", "-")
    assert committed.code == 0, committed.err
    assert json.loads(committed.out)["records"]["size"] > 0
    assert "Next: the auditor's nonce" in committed.err
    lines = (tmp_path / "new" / "log.jsonl").read_text().splitlines()
    assert len(lines) == 1
