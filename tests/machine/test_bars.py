"""Progress bars: where they are shown, and that there is one at a time."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
import tqdm as tqdm_package

from kit.machine import bars
from kit.machine.bars import progress


class ErrorOutput(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture(autouse=True)
def without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "_SECONDS_BEFORE", 0)
    monkeypatch.setattr(bars, "_SECONDS_BETWEEN", 0)


def count_models(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> str:
    """Goes over two models of three epochs each, and returns what was written to the error output."""
    output = ErrorOutput(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", output)
    for _ in progress(range(2), label="retrain", unit="model"):
        with progress(total=3, label="training", unit="epoch") as epochs:
            epochs.update(3)
    return output.getvalue()


def be_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def test_a_log_has_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_models(monkeypatch, is_terminal=False) == ""


def test_a_process_without_an_error_output_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress(range(2), label="retrain", unit="model")) == [0, 1]


def test_a_terminal_shows_bars_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    written = count_models(monkeypatch, is_terminal=True)
    for words in ("retrain", "1/2", "training", "3/3"):
        assert words in written
    assert not {"\n", "\x1b"} & {*written}  # no second line, and no way back from it
    assert written.endswith("\r")


def test_quiet_means_no_bars_in_a_terminal_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert count_models(monkeypatch, is_terminal=True) == ""


def test_a_notebook_without_widgets_shows_bars_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    be_a_kernel(monkeypatch)
    monkeypatch.setattr(bars.importlib.util, "find_spec", lambda _name: None)
    written = count_models(monkeypatch, is_terminal=False)
    assert "retrain" in written
    assert "\n" not in written


def test_a_notebook_with_widgets_shows_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Widget(tqdm_package.tqdm):
        pass

    be_a_kernel(monkeypatch)
    monkeypatch.setattr(bars.importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=Widget))
    monkeypatch.setattr(sys, "stderr", ErrorOutput(is_terminal=False))
    with progress(total=2, label="retrain", unit="model") as outer, progress(total=3, label="t", unit="epoch") as inner:
        assert [(type(bar), bar.disable) for bar in (outer, inner)] == [(Widget, False), (Widget, True)]
    with progress(total=3, label="training", unit="epoch") as later:
        assert not later.disable


def test_a_quick_piece_of_work_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "_SECONDS_BEFORE", 2)
    assert count_models(monkeypatch, is_terminal=True).strip("\r ") == ""
