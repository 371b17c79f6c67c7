"""Seals: by whose key, of which place, moved from home to home, and what a forger would have to know."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.storage import files, seals
from kit.storage.digests import digest_of
from kit.types import InputError

Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    seals.write_json(tmp_path / "run.json", "runs/0", {"seconds": 5.999})
    return tmp_path / "run.json"


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_envelope_is_what_the_docstring_says(sealed: Path, home: Path) -> None:
    secret = bytes.fromhex((home / "keys" / "own.key").read_text().strip())
    assert len(secret) == 32
    envelope, name = json.loads(sealed.read_text()), hashlib.sha256(secret).hexdigest()[:16]
    sha256 = digest_of(["runs/0", {"seconds": 5.999}, name])
    seal = hmac.digest(secret, sha256.encode(), "sha256").hex()
    assert envelope == {"content": {"seconds": 5.999}, "key": name, "seal": seal, "sha256": sha256}


def test_the_key_is_the_owners_alone_whatever_the_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        seals.code("a purpose")
    finally:
        os.umask(before)
    key = home / "keys" / "own.key"
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert os.listdir(key.parent) == ["own.key"]
    key.chmod(0o644)
    seals.code("a purpose")
    assert key.stat().st_mode & 0o777 == 0o600


def test_the_same_key_serves_for_good_and_other_homes_have_others(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = seals.code("seeds")
    assert seals.code("seeds") == first != seals.code("other seeds")
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "other"))
    assert seals.code("seeds") != first


def test_who_knows_all_but_the_key_is_not_believed(sealed: Path) -> None:
    """A forger writes what was sealed, in form and digest, with a key of their own under our key's name."""
    assert seals.read_json(sealed, "runs/0") == {"seconds": 5.999}
    key, content = json.loads(sealed.read_text())["key"], {"seconds": 0.001}
    sha256 = digest_of(["runs/0", content, key])
    for seal in (hmac.digest(b"guessed" * 5, sha256.encode(), "sha256").hex(), "", 7, None, "é"):
        change(sealed, content=content, sha256=sha256, seal=seal)
        assert seals.read_json(sealed, "runs/0") is None
        with pytest.raises(InputError, match="somebody forged it"):
            seals.read_results(sealed, "runs/0")


@pytest.mark.parametrize(
    "changes", [{"content": 1}, {"key": "0" * 16}, {"sha256": "0" * 64}, {"sha256": 1}, {"more": 1}]
)
def test_what_was_changed_is_as_if_it_were_not_there(sealed: Path, changes: dict[str, Any]) -> None:
    change(sealed, **changes)
    assert seals.read_json(sealed, "runs/0") is None
    assert seals.read_results(sealed, "runs/0") is None


def test_a_file_is_believed_in_its_own_place_only(sealed: Path) -> None:
    assert seals.read_json(sealed, "runs/1") is None
    assert seals.read_results(sealed, "runs/1") is None


def test_results_of_another_home_are_told_and_believed_once_its_key_is_here(
    sealed: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    other = tmp_path / "other"
    monkeypatch.setenv("KIT_HOME", str(other))
    assert seals.read_json(sealed, "runs/0") is None
    message = refused(lambda: seals.read_results(sealed, "runs/0"), "which is not among those of this home", "--out")
    target = other / "keys" / "NAME.key"
    assert f"copy the file keys/own.key of that home to '{target}'" in message
    target.parent.mkdir(parents=True)
    shutil.copy(home / "keys" / "own.key", target)
    assert seals.read_results(sealed, "runs/0") == seals.read_json(sealed, "runs/0") == {"seconds": 5.999}


def test_a_home_that_was_moved_believes_what_it_has(
    sealed: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.rename(tmp_path / "moved")
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "moved"))
    assert seals.read_results(sealed, "runs/0") == {"seconds": 5.999}


@pytest.mark.parametrize("content", ["", "abc", "00" * 31, "zz" * 32])
def test_a_damaged_key_is_named(sealed: Path, home: Path, content: str, refused: Refused) -> None:
    (home / "keys" / "own.key").write_text(content)
    refused(
        lambda: seals.read_json(sealed, "runs/0"), "own.key', by which the kit recognises its own files", "delete it"
    )


def test_a_home_that_cannot_hold_a_key_is_told(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(files.CannotWrite, match=r"own\.key' cannot be made .* KIT_HOME"):
        seals.code("a purpose")


def test_arrays_are_sealed_with_names_shapes_and_dtypes(tmp_path: Path) -> None:
    path, arrays = tmp_path / "state.npz", {"a": np.arange(6.0).reshape(2, 3), "b": np.array("text")}
    seals.write_arrays(path, "training", arrays)
    stored = seals.read_arrays(path, "training")
    assert stored is not None
    assert stored.keys() == arrays.keys()
    assert all((stored[name] == arrays[name]).all() for name in arrays)
    assert seals.read_arrays(path, "another") is None
    written = files.read_npz(path)
    for changes in (
        {"a": written["a"].T},
        {"a": written["a"] + 1},
        {"c": written["a"]},
        {"a": written["a"].astype("f4")},
    ):
        files.write_npz(path, written | changes)
        assert seals.read_arrays(path, "training") is None


def test_a_digest_without_a_key_shows_damage(tmp_path: Path) -> None:
    content = seals.with_digest({"value": 5.999})
    assert seals.without_digest(json.loads(json.dumps(content))) == {"value": 5.999}
    with pytest.raises(ValueError, match="does not have the sha256 that it states"):
        seals.without_digest(content | {"value": 6.0})
    assert seals.without_digest({"value": 6.0}) == {"value": 6.0}
    with pytest.raises(ValueError, match="the name of its sha256 was changed"):
        seals.without_digest({"value": 6.0, "Sha256": content["sha256"]})
