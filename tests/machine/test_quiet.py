"""What the kit's own processes do when they import TensorFlow."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from kit.machine import quiet
from kit.types import InputError


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
