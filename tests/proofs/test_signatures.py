"""Envelopes, keys, and what is refused of them."""

from __future__ import annotations

import base64
import builtins
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kit.proofs import signatures
from kit.proofs.signatures import Rejected, Signer, Verifier, canonical, encoded, statement

STATEMENT = statement("urn:test", {"model": "00"}, {"names": ["é", 1, None, True]})


def test_what_is_signed_is_what_dsse_says() -> None:
    """The example of the specification."""
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert encoded(b"hello world", "http://example.com/HelloWorld") == expected


def test_an_envelope_is_checked_by_any_other_reader(signer: Signer) -> None:
    envelope = json.loads(signer.sealed(STATEMENT))
    payload = base64.b64decode(envelope["payload"])
    (signature,) = envelope["signatures"]
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    signer.private.public_key().verify(base64.b64decode(signature["sig"]), signed)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert json.loads(payload)["_type"] == "https://in-toto.io/Statement/v1"
    assert signer.verifier.opened(signer.sealed(STATEMENT), "It") == json.loads(payload) == STATEMENT


@pytest.mark.parametrize("content", [1.5, {"a": 1.0}, {1: "a"}, {"é": 1}, [b""], object()])
def test_what_has_no_one_way_to_be_written_is_not(content: object) -> None:
    with pytest.raises(TypeError):
        canonical(content)


def respelled(envelope: bytes) -> list[bytes]:
    """The same envelope, written in other ways."""
    content = json.loads(envelope)
    (entry,) = content["signatures"]
    payload = content["payload"]
    return [
        envelope + b" ",
        json.dumps(content).encode(),
        canonical(content | {"more": 1}),
        canonical(content | {"signatures": [entry, entry]}),
        canonical(content | {"signatures": [entry | {"more": 1}]}),
        canonical(content | {"payload": payload.rstrip("=") + "\n" + "=" * (len(payload) - len(payload.rstrip("=")))}),
        canonical(content | {"payloadType": "application/json"}),
        canonical([content]),
        b"null",
        b"",
        b"[" * 100_000,
    ]


def test_another_spelling_is_damage(signer: Signer, verifier: Verifier) -> None:
    for envelope in respelled(signer.sealed(STATEMENT)):
        with pytest.raises(Rejected, match=r"no envelope.*Expected .*\."):
            verifier.opened(envelope, "The thing")


def test_a_signed_statement_in_another_spelling_is_damage(signer: Signer, verifier: Verifier) -> None:
    """Whoever has the key might sign two spellings of one statement."""
    payload = json.dumps(STATEMENT).encode()
    entry = {"keyid": verifier.name, "sig": base64.b64encode(signer.private.sign(encoded(payload))).decode()}
    content = {"payload": base64.b64encode(payload).decode(), "payloadType": signatures.PAYLOAD_TYPE}
    with pytest.raises(Rejected, match="one way"):
        verifier.opened(canonical(content | {"signatures": [entry]}), "The thing")


def test_another_key_is_named_in_a_paragraph(signer: Signer) -> None:
    other = Signer(Ed25519PrivateKey.generate())
    with pytest.raises(Rejected, match=r"another|not the one .*Expected a signature of that key.*--key") as caught:
        other.verifier.opened(signer.sealed(STATEMENT), "The thing")
    assert "\n" not in str(caught.value)
    content = json.loads(signer.sealed(STATEMENT))
    content["signatures"][0]["keyid"] = other.verifier.name  # it claims to be of the other key
    with pytest.raises(Rejected, match="signature does not fit"):
        other.verifier.opened(canonical(content), "The thing")


def test_keys_are_made_once_for_their_owner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: Callable[..., str]
) -> None:
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    refused(signatures.verifier, "There is no file", "certificates.pub.pem")
    first, second = signatures.signer(), signatures.signer()
    assert first.verifier.name == second.verifier.name == signatures.verifier().name
    path = signatures.home() / signatures.PRIVATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_files_that_are_no_such_key_are_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "ec.pem").write_bytes(other.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public = other.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "ec.pub.pem").write_bytes(public)
    (tmp_path / "text.pem").write_text("no key")
    locked = Ed25519PrivateKey.generate().private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    for name in ("ec.pem", "text.pem", "locked.pem"):
        refused(lambda name=name: signatures.signer(tmp_path / name), "cannot be used", "private Ed25519")
    for name in ("ec.pub.pem", "text.pem", "ec.pem"):
        refused(lambda name=name: signatures.verifier(tmp_path / name), "cannot be used", "public Ed25519")
    refused(lambda: signatures.verifier(tmp_path / "none.pem"), "There is no file")


def test_without_the_library_a_paragraph_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    importing = builtins.__import__

    def without(name: str, *arguments: object) -> object:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return importing(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (signatures.signer, signatures.verifier):
        refused(call, "cryptography", "pip install")
