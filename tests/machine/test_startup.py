"""What is hidden from Keras while a command imports it is there afterwards, whatever became of the import."""

from __future__ import annotations

import gc
import importlib
import sys

import pytest

from kit.machine import startup


def test_what_is_hidden_is_not_found_meanwhile_and_found_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_NEEDLESS", ("this", "json"))
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with startup.quick_import():
        assert not gc.isenabled()
        with pytest.raises(ImportError):
            importlib.import_module("this")
        assert importlib.import_module("json") is not None  # imported before: nobody takes it away
    assert gc.isenabled()
    assert "this" not in sys.modules
    importlib.import_module("this")


def test_an_import_that_fails_leaves_nothing_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_NEEDLESS", ("this",))
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with pytest.raises(RuntimeError), startup.quick_import():
        raise RuntimeError
    assert gc.isenabled()
    assert "this" not in sys.modules
