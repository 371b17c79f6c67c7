"""Downloads from a server that misbehaves in every way that was seen: the file is right, or there is none."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import data_helpers
import pytest
from data_helpers import Behaviour, Server, sha256

from kit.datasets import cache, downloads
from kit.datasets.registry import RemoteFile
from kit.machine import bars

CONTENT = bytes(range(256)) * 1200  # 300 kB: several chunks
QUICK = (5.0, 0.3)

FETCH = """
import json, sys
from pathlib import Path
from kit.datasets import downloads
from kit.datasets.cache import CannotStore
from kit.datasets.registry import RemoteFile
name, digest, num_bytes, url, folder, limit = json.loads(sys.argv[1])
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print("started", flush=True)
try:
    path = downloads.fetch(RemoteFile(name, digest, num_bytes, (url,)), Path(folder), announce=print)
    print("fetched", len(path.read_bytes()))
except (CannotStore, downloads.CannotDownload) as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def remote(*urls: str, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile("file.bin", sha256(content), len(content), urls)


def fetch(file: RemoteFile, folder: Path) -> tuple[Path, list[str]]:
    lines: list[str] = []
    return downloads.fetch(file, folder, announce=lines.append, timeouts=QUICK), lines


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def in_a_process(
    file: RemoteFile, folder: Path, limit: int = 0, stdout: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    arguments = [file.name, file.sha256, file.num_bytes, file.urls[0], str(folder), limit]
    return subprocess.Popen(
        [sys.executable, "-u", "-W", "error", "-c", FETCH, json.dumps(arguments)], stdout=stdout, text=True
    )


def wait_for(condition: object, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_file_is_downloaded_once_and_can_be_read_by_others(server: Server, tmp_path: Path) -> None:
    file = remote(server.url("/file", data_helpers.good, CONTENT))
    for _ in range(2):
        path, lines = fetch(file, tmp_path / "new" / "folder")
        assert path.read_bytes() == CONTENT
        assert not lines
    assert path.stat().st_mode & 0o777 == 0o644
    assert visible(path.parent) == ["file.bin"]
    assert server.requests == ["/file"]


def test_a_compressed_file_arrives_as_it_is(server: Server, tmp_path: Path) -> None:
    content = gzip.compress(CONTENT)
    path, _ = fetch(remote(server.url("/file", data_helpers.labelled, content), content=content), tmp_path)
    assert path.read_bytes() == content


FAULTS = {
    "cut at 0 %": (data_helpers.cut(0), "no answer|nothing came"),
    "cut at 50 %": (data_helpers.cut(0.5), r"broke after about [34]\d%|only 50%"),
    "cut at 99 %": (data_helpers.cut(0.99), r"broke after about [89]\d%|only 99%"),
    "cut in silence at 0 %": (data_helpers.cut_in_silence(0), "nothing came"),
    "cut in silence at 50 %": (data_helpers.cut_in_silence(0.5), "only 50% came"),
    "cut in silence at 99 %": (data_helpers.cut_in_silence(0.99), "only 99% came"),
    "an HTML page": (data_helpers.page, "an HTML page came instead of the file"),
    "404": (data_helpers.status(404), "the server answered 404"),
    "503": (data_helpers.status(503), "the server answered 503"),
    "a wrong bit": (data_helpers.flipped, "has the sha256 [0-9a-f]{12}..., which is not the right one"),
    "more than the file": (data_helpers.too_long, "more came than the 307,200 bytes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_leaves_nothing_and_is_told_of(server: Server, tmp_path: Path, fault: str) -> None:
    behaviour, reason = FAULTS[fault]
    lines: list[str] = []
    with pytest.raises(downloads.CannotDownload, match=f"^{server.host}: .*{reason}") as caught:
        downloads.fetch(
            remote(server.url("/file", behaviour, CONTENT)), tmp_path, announce=lines.append, timeouts=QUICK
        )
    assert "\n" not in str(caught.value)
    assert len(lines) == 1
    assert visible(tmp_path) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_mirror_is_tried(server: Server, tmp_path: Path, fault: str) -> None:
    bad = server.url("/bad", FAULTS[fault][0], CONTENT)
    path, lines = fetch(remote(bad, bad, server.url("/good", data_helpers.good, CONTENT)), tmp_path)
    assert path.read_bytes() == CONTENT
    assert visible(tmp_path) == ["file.bin"]
    assert len(lines) == 2
    assert server.requests == ["/bad", "/bad", "/good"]


@pytest.mark.parametrize("share", [None, 0, 0.5])
def test_a_server_that_falls_silent_is_given_up(server: Server, tmp_path: Path, share: float | None) -> None:
    behaviour: Behaviour = server.silent if share is None else server.stalled(share)
    start = time.monotonic()
    with pytest.raises(downloads.CannotDownload, match="no byte for 0.3 seconds after about" if share else "no answer"):
        fetch(remote(server.url("/file", behaviour, CONTENT)), tmp_path)
    assert 0.25 < time.monotonic() - start < 300  # at which the server would have hung up
    assert visible(tmp_path) == []


def test_hosts_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = remote(f"http://127.0.0.1:{port}/file", f"http://localhost:{port}/file", "no address at all")
    with pytest.raises(downloads.CannotDownload) as caught:
        fetch(file, tmp_path)
    assert f"127.0.0.1:{port}: no answer (ConnectionError); localhost:{port}: no answer" in str(caught.value)
    assert visible(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_downloaded_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1] + b"x")
    path, _ = fetch(remote(server.url("/file", data_helpers.good, CONTENT)), tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_stays_as_it_is_when_it_cannot_be_replaced(server: Server, tmp_path: Path, fault: str) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(downloads.CannotDownload):
        fetch(remote(server.url("/file", FAULTS[fault][0], CONTENT)), tmp_path)
    assert visible(tmp_path) == ["file.bin"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT[:-1]


def test_a_damaged_file_is_there_until_the_right_one_has_come(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"damaged")
    thread = threading.Thread(target=fetch, args=(remote(server.url("/file", server.held, CONTENT)), tmp_path))
    thread.start()
    wait_for(lambda: server.requests)
    assert path.read_bytes() == b"damaged"
    server.released.set()
    thread.join()
    assert path.read_bytes() == CONTENT


def test_mirrors_that_fail_alike_are_told_of_together() -> None:
    file = remote("http://a/", "http://b/", "http://c/", "http://d/")
    error = downloads.CannotDownload(file, [(host, "no answer (ConnectionError)") for host in "abcd"])
    assert str(error).count("no answer") == 4
    assert error.brief == "file.bin from a and 3 more: no answer (ConnectionError)"
    error = downloads.CannotDownload(file, [("a", "x"), ("b", "y"), ("c", "x"), ("d", "z")])
    assert error.brief == "file.bin from a and 1 more: x; b: y; and other failures"


def test_a_folder_in_the_place_of_the_file_is_an_error_of_the_cache(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(cache.CannotStore, match=r"file\.bin' cannot be stored"):
        fetch(remote(server.url("/file", data_helpers.good, CONTENT)), tmp_path)
    assert visible(tmp_path) == ["file.bin"]


# The disk


def test_a_full_disk_is_told_of_and_no_other_mirror_is_tried(server: Server, tmp_path: Path) -> None:
    file = remote(server.url("/file", data_helpers.good, CONTENT), server.url("/other", data_helpers.good, CONTENT))
    process = in_a_process(file, tmp_path, limit=100_000)
    output, _ = process.communicate(timeout=300)
    assert output.splitlines()[1].startswith(f"CannotStore '{tmp_path / 'file.bin'}' cannot be stored (File too large)")
    assert "0.3 MB" in output
    assert "KIT_HOME" in output
    assert visible(tmp_path) == []
    assert server.requests == ["/file"]


def test_a_disk_that_is_full_for_the_last_bytes_is_told_of_too(tmp_path: Path) -> None:
    def write() -> None:
        with cache.storing(tmp_path / "file.bin", 10) as stream:
            stream.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(cache.CannotStore, match="No space left on device"):
        write()
    assert visible(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes of folders mean something else on Windows")
def test_a_read_only_cache_gives_what_it_has_and_takes_nothing(server: Server, shared_folder: Path) -> None:
    file = remote(server.url("/file", data_helpers.good, CONTENT))
    with (
        data_helpers.closed(shared_folder),
        pytest.raises(cache.CannotStore, match=r"cannot be written to \(Permission denied\).*KIT_HOME"),
    ):
        fetch(file, shared_folder / "datasets")
    assert server.requests == []
    fetch(file, shared_folder / "datasets")
    with data_helpers.closed(shared_folder):
        assert fetch(file, shared_folder / "datasets")[0].read_bytes() == CONTENT


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that other users may look into, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


# Several processes


def test_of_two_processes_one_downloads_and_the_other_waits(
    server: Server, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = remote(server.url("/file", server.held, CONTENT))
    printed = [tmp_path_factory.mktemp("printed") / name for name in ("one", "other")]
    processes = []
    for path in printed:
        with path.open("w") as stdout:
            processes.append(in_a_process(file, tmp_path, stdout=stdout))
    wait_for(lambda: server.requests)
    wait_for(lambda: any("waiting for another process" in path.read_text() for path in printed))
    assert visible(tmp_path) != ["file.bin"]
    server.released.set()
    for process in processes:
        process.wait(300)
    outputs = [path.read_text().splitlines() for path in printed]
    assert [lines[-1] for lines in outputs] == ["fetched 307200"] * 2
    assert server.requests == ["/file"]
    assert visible(tmp_path) == ["file.bin"]
    assert any("waiting for another process" in line for lines in outputs for line in lines)


def test_after_a_kill_the_next_one_downloads_and_sweeps_up(server: Server, tmp_path: Path) -> None:
    process = in_a_process(remote(server.url("/file", server.held, CONTENT)), tmp_path)
    wait_for(lambda: visible(tmp_path))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=300)
    (left,) = visible(tmp_path)
    assert left.startswith(".file.bin.")
    os.utime(tmp_path / left, (0, time.time() - cache.LEFT_SECONDS - 1))
    path, lines = fetch(remote(server.url("/good", data_helpers.good, CONTENT)), tmp_path)
    assert path.read_bytes() == CONTENT
    assert visible(tmp_path) == ["file.bin"]
    assert not lines


def test_what_another_process_is_writing_is_not_swept_up(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".file.bin.young").write_bytes(b"half")
    fetch(remote(server.url("/file", data_helpers.good, CONTENT)), tmp_path)
    assert visible(tmp_path) == [".file.bin.young", "file.bin"]


def test_threads_wait_for_each_other_too(server: Server, tmp_path: Path) -> None:
    file = remote(server.url("/file", data_helpers.good, CONTENT))
    threads = [threading.Thread(target=fetch, args=(file, tmp_path)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.requests == ["/file"]


# What a person sees


def test_the_progress_bar_is_on_the_error_output(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bars, "_SECONDS_BEFORE", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(remote(server.url("/file", data_helpers.good, CONTENT)), tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    assert "file.bin" in err
    assert "307k" in err


def test_importing_the_module_imports_neither_pooch_nor_requests() -> None:
    code = "import kit.datasets.downloads, kit.datasets.loading, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"pooch", "requests", "urllib3", "tqdm", "tensorflow", "keras", "scipy"})
