"""A certified deletion on a tiny challenge, made once: tests copy its folder."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kit
from kit.proofs import execution, signatures
from kit.proofs.certify import Order, begin, delete
from kit.proofs.signatures import Signer, Verifier
from kit.runs import originals, process
from kit.types import Recipe


@pytest.fixture(scope="session")
def signer(kit_home: Path) -> Signer:
    return signatures.signer()


@pytest.fixture(scope="session")
def verifier(signer: Signer) -> Verifier:
    return signer.verifier


@pytest.fixture(scope="session")
def challenge(small_challenge: kit.Challenge) -> kit.Challenge:
    process.prepare()
    return dataclasses.replace(small_challenge, recipe=Recipe(epochs=4, learning_rate=0.05))


@pytest.fixture(scope="session", autouse=True)
def one_net() -> Iterator[None]:
    """Trainings of one architecture share a network, which is put back for each: it is traced once for all tests.

    That a network of its own gives the same bits, `test_execution.py` shows.
    """
    nets: dict[str, Any] = {}

    def shared(challenge: kit.Challenge) -> Any:
        key = f"{challenge.model} {challenge.input_shape} {challenge.num_classes}"
        if key not in nets:
            nets[key] = originals.build(challenge)
        return nets[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "new_net", shared)
        yield


@pytest.fixture(scope="session")
def begun(challenge: kit.Challenge, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certified training, of which nothing is deleted yet. Leave it as it is."""
    folder = tmp_path_factory.mktemp("begun")
    begin(folder, challenge, signer, Order(every=1))
    return folder


@pytest.fixture(scope="session")
def deleted(begun: Path, challenge: kit.Challenge, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after the deletion of the challenge's forget set. Leave it as it is."""
    folder = tmp_path_factory.mktemp("deleted") / "trail"
    shutil.copytree(begun, folder)
    delete(folder, challenge, signer, Order(every=1))
    return folder


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a folder, for a test to change."""

    def copy(folder: Path) -> Path:
        shutil.copytree(folder, tmp_path / "copy")
        return tmp_path / "copy"

    return copy
