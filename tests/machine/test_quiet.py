"""What is hidden from Keras while a command imports it is there afterwards, whatever became of the import."""

from __future__ import annotations

import gc
import importlib
import sys
from types import SimpleNamespace

import pytest

from kit.machine import quiet
from kit.types import InputError


def test_what_is_hidden_is_not_found_meanwhile_and_found_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "_NEEDLESS", ("this", "json"))
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with quiet.quick_import():
        assert not gc.isenabled()
        with pytest.raises(ImportError):
            importlib.import_module("this")
        assert importlib.import_module("json") is not None  # imported before: nobody takes it away
    assert gc.isenabled()
    assert "this" not in sys.modules
    importlib.import_module("this")


def test_an_import_that_fails_leaves_nothing_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "_NEEDLESS", ("this",))
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with pytest.raises(RuntimeError), quiet.quick_import():
        raise RuntimeError
    assert gc.isenabled()
    assert "this" not in sys.modules


@pytest.mark.parametrize("error", [ImportError("No module named 'torch'"), ValueError("Unable to import backend : x")])
def test_a_backend_that_is_not_there_is_one_paragraph(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Keras raises the one for a library that is not installed, the other for a backend that it does not know."""

    def fails(name: str) -> None:
        raise error

    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(quiet, "importlib", SimpleNamespace(import_module=fails))
    with pytest.raises(InputError) as caught, quiet.quiet_tensorflow():
        pass
    message = str(caught.value)
    assert f"cannot be imported ({error})" in message
    assert "KERAS_BACKEND=tensorflow" in message
    assert "\n" not in message
