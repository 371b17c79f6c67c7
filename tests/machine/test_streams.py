"""The output of a command: nothing is lost for a character that cannot be shown, nor in silence."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import call, environment, one_paragraph

from kit.commands import describe
from kit.machine import streams


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "0.5 +-0.1 - Zoe ? epsilon >= 1..."),
        ("latin-1", "0.5 ±0.1 · Zoë ? epsilon >= 1..."),
        ("cp1252", "0.5 ±0.1 · Zoë ? epsilon >= 1…"),
        ("utf-8", "0.5 ±0.1 · Zoë 数 ε ≥ 1…"),
    ],
)
def test_what_an_encoding_lacks_is_written_as_it_is_typed(
    monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str
) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    streams.write_every_character()
    stream.write("0.5 ±0.1 · Zoë 数 ε ≥ 1…")
    streams.finish()
    assert written.getvalue().decode(encoding) == shown


def test_streams_that_are_none_or_no_files_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    streams.write_every_character()
    streams.finish()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize(("output", "code"), [("/dev/full", 1), (None, 0)])
def test_an_output_that_takes_nothing_is_told(output: str | None, code: int) -> None:
    """On a full disk in one paragraph; one that is closed is nobody's."""
    redirected = ">&-" if output is None else f"> {output}"
    command = f'"{sys.executable}" -m kit list challenges {redirected}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stderr.count("Error: The system refused") == code
    assert done.stderr.count("No space left on device") == code
    assert done.stderr.count("\n") == code


def test_what_the_system_refuses_anywhere_is_one_paragraph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(describe, "list_methods", lambda json_file, **_: (tmp_path / "gone" / "file").open())
    error = one_paragraph(call("list", "methods"), code=1)
    assert f"refused '{tmp_path / 'gone' / 'file'}': No such file or directory. Expected" in error
    with pytest.raises(FileNotFoundError):
        call("list", "methods", "--debug")
