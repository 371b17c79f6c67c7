"""Statements, signed: Ed25519 in DSSE envelopes, as in-toto, Sigstore and SLSA use them.

An envelope is an object of `payload` (base64), `payloadType` and `signatures`; what is signed is the pre-authentication
encoding of type and payload (DSSE v1). Everything is written in one way only: another spelling of the same envelope is
refused as damage.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.storage import durable, files, locks
from kit.types import FailedRun, InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PRIVATE, PUBLIC = "certificates.pem", "certificates.pub.pem"
_SHOWN = 16


class Rejected(FailedRun):
    """What a certificate, a receipt or a log says does not hold; the message is one paragraph."""


def canonical(content: Any) -> bytes:
    r"""Returns JSON as RFC 8785 writes it, of texts, whole numbers, booleans, None, lists, and objects with ASCII keys.

    Numbers that are not whole are written in too many ways: `TypeError`. Give them as texts.

    Example:
        >>> canonical({"b": [1, None], "a": "\u00e9"}).decode()
        '{"a":"é","b":[1,null]}'
    """
    _require_plain(content)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _require_plain(content: Any) -> None:
    if content is None or isinstance(content, str | bool | int):
        return
    if isinstance(content, dict):
        if not all(isinstance(name, str) and name.isascii() for name in content):
            raise TypeError("a key that is no ASCII text")
        content = content.values()
    elif not isinstance(content, list | tuple):
        raise TypeError(f"{type(content).__name__} has no one way to be written in JSON")
    for part in content:
        _require_plain(part)


def digest(content: bytes) -> str:
    """Returns the sha256 of some bytes, in hexadecimal.

    Args:
        content: any bytes.
    """
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Verifier:
    """Whose signatures are believed.

    Args:
        public: the key, as `cryptography` has it.
    """

    public: Ed25519PublicKey

    @property
    def name(self) -> str:
        """The sha256 of the key's 32 bytes, by which envelopes name it."""
        return digest(self.public.public_bytes_raw())

    def opened(self, envelope: bytes, what: str) -> dict[str, Any]:
        """Returns the statement in an envelope.

        Args:
            envelope: bytes of one.
            what: for people: what it is the envelope of.

        Raises:
            Rejected: it is damaged, or another key signed it, or it has another version.
        """
        payload, signature, name = _parts(envelope, what)
        if name != self.name:
            raise Rejected(
                f"{what} was signed by the key {name[:_SHOWN]}..., which is not the one that it was checked with, "
                f"{self.name[:_SHOWN]}.... Expected a signature of that key. Get the public key of whoever signed it "
                "from a place that you trust, and name its file with --key."
            )
        from cryptography.exceptions import InvalidSignature

        try:
            self.public.verify(signature, encoded(payload))
        except InvalidSignature:
            raise damaged(what, "its signature does not fit its content") from None
        try:
            statement = json.loads(payload)
            if not isinstance(statement, dict) or canonical(statement) != payload:
                raise ValueError
        except (ValueError, TypeError, RecursionError):
            raise damaged(what, "its statement is not written in the one way in which the kit writes it") from None
        return statement


@dataclass(frozen=True)
class Signer:
    """Who signs.

    Args:
        private: the key, as `cryptography` has it.
    """

    private: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        """Who checks what this one signs."""
        return Verifier(self.private.public_key())

    def sealed(self, statement: Mapping[str, Any]) -> bytes:
        """Returns the envelope of a statement, on one line without an end."""
        payload = canonical(statement)
        signature = _base64(self.private.sign(encoded(payload)))
        signatures = [{"keyid": self.verifier.name, "sig": signature}]
        return canonical({"payload": _base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures})


def statement(kind: str, subjects: Mapping[str, str], predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an in-toto statement.

    Args:
        kind: its `predicateType`.
        subjects: name and sha256 of what it is about.
        predicate: what it says.
    """
    subject = [{"digest": {"sha256": sha256}, "name": name} for name, sha256 in subjects.items()]
    return {"_type": STATEMENT_TYPE, "predicate": dict(predicate), "predicateType": kind, "subject": subject}


def encoded(payload: bytes, kind: str = PAYLOAD_TYPE) -> bytes:
    """Returns what is signed: DSSE's pre-authentication encoding of a payload and its type.

    Example:
        >>> encoded(b"{}")
        b'DSSEv1 28 application/vnd.in-toto+json 2 {}'
    """
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def damaged(what: str, reason: str) -> Rejected:
    """Returns what to raise for something that is not as it was written.

    Args:
        what: names it in the message.
        reason: half a sentence.
    """
    return Rejected(
        f"{what} is damaged, or was changed: {reason}. Expected it as 'kit certify' wrote it, byte for byte. Get it "
        "again from whoever certified; if theirs is the same, what it claims is not proven."
    )


def _parts(envelope: bytes, what: str) -> tuple[bytes, bytes, str]:
    """Returns payload, signature and the key's name; raises `Rejected` where an envelope is written in another way."""
    try:
        content = json.loads(envelope)
        (entry,) = content["signatures"]
        payload, signature = (base64.b64decode(text, validate=True) for text in (content["payload"], entry["sig"]))
        again = {"keyid": entry["keyid"], "sig": _base64(signature)}
        expected = {"payload": _base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": [again]}
        if not isinstance(entry["keyid"], str) or canonical(expected) != envelope:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise damaged(what, "it is no envelope as the kit writes them") from None
    return payload, signature, entry["keyid"]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def signer(path: Path | None = None) -> Signer:
    """Returns the signer whose key is in a file, by default in this home's, which is made at first use.

    Args:
        path: of a private key, PEM; None for this home's.

    Raises:
        InputError: there is no such file, it is no Ed25519 key, or `cryptography` is not installed.
        CannotWrite: this home's first key cannot be written.
    """
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if path is None:
        path = home() / PRIVATE
        if not path.exists():
            _make_keys(path)
    key = _read(path, private=True)
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "it is a key of another kind", private=True)
    return Signer(key)


def verifier(path: Path | None = None) -> Verifier:
    """Returns the verifier whose public key is in a file, by default in this home's.

    Args:
        path: of a public key, PEM; None for this home's.

    Raises:
        InputError: there is no such file, it is no Ed25519 key, or `cryptography` is not installed.
    """
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = _read(path or home() / PUBLIC, private=False)
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path or home() / PUBLIC, "it is a key of another kind", private=False)
    return Verifier(key)


def home() -> Path:
    """Returns the folder of this home's keys."""
    return files.cache_folder() / "keys"


def require_cryptography() -> None:
    """Checks that signatures can be made and checked here.

    Raises:
        InputError: the library is not installed.
    """
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError as error:
        raise InputError(
            "Certificates need the library 'cryptography', which is not installed. Expected it for Ed25519 signatures. "
            'Install it with: python -m pip install "cryptography>=42" (or the kit with its extra: ".[proof]").'
        ) from error


def _read(path: Path, *, private: bool) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    what = "private" if private else "public"
    files.require_file(path, f"Expected a {what} Ed25519 key (PEM), which 'kit certify' makes, named with --key.")
    try:
        content = path.read_bytes()
        if private:
            return serialization.load_pem_private_key(content, password=None)
        return serialization.load_pem_public_key(content)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise _no_key(path, reason, private=private) from error


def _no_key(path: Path, reason: str, *, private: bool) -> InputError:
    what = "private" if private else "public"
    return InputError(
        f"The key '{path}' cannot be used ({reason}). Expected a {what} Ed25519 key in PEM, without a password. Make "
        "one, for instance, with: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout."
    )


def _make_keys(path: Path) -> None:
    """Makes a pair of keys, the private one for the owner alone; who comes second finds the first one's."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.held(path.with_suffix(".lock"), on_wait=lambda: None):
            if path.exists():
                return
            key, pem = Ed25519PrivateKey.generate(), serialization.Encoding.PEM
            public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
            plain = serialization.NoEncryption()
            with durable.atomic_write(path.with_name(PUBLIC)) as stream:
                stream.write(public)
            with durable.atomic_write(path, mode=0o600) as stream:
                stream.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    except OSError as error:
        raise files.cannot_write(path, error) from error
