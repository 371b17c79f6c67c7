"""Tiny stand-ins for the published data sets, in each of their forms, and a web server that misbehaves."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import http.server
import io
import os
import pickle
import tarfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kit.datasets import registry
from kit.datasets.registry import DataSet, RemoteFile

# Three classes, unevenly many of each; 30 examples for training (five batches of 6) and 10 for testing.
TRAIN_COUNTS, TEST_COUNTS = (12, 8, 10), (4, 3, 3)
IDX_NAMES = [names[0] for names in registry.IDX.names]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def stand_in(original: DataSet, shape: tuple[int, int, int], *files: RemoteFile) -> DataSet:
    """A data set of the same forms and places, but tiny."""
    return dataclasses.replace(
        original, image_shape=shape, train_counts=TRAIN_COUNTS, test_counts=TEST_COUNTS, files=files
    )


def examples(shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x and y of a stand-in, training examples first."""
    generator = np.random.default_rng(seed)
    labels = [generator.permutation(np.repeat(np.arange(3), counts)) for counts in (TRAIN_COUNTS, TEST_COUNTS)]
    return generator.integers(0, 256, (40, *shape), dtype=np.uint8), np.concatenate(labels).astype(np.int32)


# CIFAR-10


def batch_of(x: np.ndarray, y: np.ndarray, **more: Any) -> dict[Any, Any]:
    return {b"data": x.transpose(0, 3, 1, 2).reshape(len(x), -1), b"labels": [int(label) for label in y], **more}


def batches(x: np.ndarray, y: np.ndarray, protocol: int = 2) -> dict[str, bytes]:
    """File name -> content of the extracted folder."""
    names = [names[0] for names in registry.BATCHES.names]
    parts = [slice(start, start + 6) for start in range(0, 30, 6)] + [slice(30, 40)]
    return {
        name: pickle.dumps(batch_of(x[part], y[part]), protocol=protocol)
        for name, part in zip(names, parts, strict=True)
    }


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, member in reversed(members.items()):  # in another order than they are wanted
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(member)
            tar.addfile(info, io.BytesIO(member))
    return content.getvalue()


# MNIST


def npz(x: np.ndarray, y: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, x_train=x[:30, ..., 0], y_train=y[:30], x_test=x[30:, ..., 0], y_test=y[30:])
    return content.getvalue()


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


def idx_files(x: np.ndarray, y: np.ndarray) -> dict[str, bytes]:
    """File name -> content, compressed."""
    images = x[..., 0]
    contents = idx(images[:30]), idx(y[:30]), idx(images[30:]), idx(y[30:])
    return {name: gzip.compress(content, mtime=0) for name, content in zip(IDX_NAMES, contents, strict=True)}


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


# A server that misbehaves

Behaviour = Callable[[http.server.BaseHTTPRequestHandler, bytes], None]


def good(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def cut(share: float) -> Behaviour:
    """Promises all and sends a part."""

    def answer(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: int(share * len(content))])

    return answer


def cut_in_silence(share: float) -> Behaviour:
    """Sends a part without having said how much there is: the connection ends as if all had come."""

    def answer(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content[: int(share * len(content))])

    return answer


def page(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    """A login page with status 200, as hotels and firewalls send it."""
    good(handler, b"\n  <!DOCTYPE HTML>\n<html><body>Please log in.</body></html>" + b" " * len(content))


def status(code: int) -> Behaviour:
    return lambda handler, content: handler.send_error(code)


def flipped(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    """The right size, and one wrong bit."""
    middle = len(content) // 2
    good(handler, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def too_long(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    """Sends the file a hundred times over; a hundred stand for a server that never ends."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(content)


def labelled(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    """Says of a compressed file that it was compressed on the way, if that is allowed: receivers then unpack it."""
    handler.send_response(200)
    if "gzip" in handler.headers.get("Accept-Encoding", ""):
        handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(content)


class Server:
    """Answers each path as it was told to, and counts the requests."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.released = threading.Event()
        self._answers: dict[str, tuple[Behaviour, bytes]] = {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urllib.parse.urlsplit(self.path).path
                server.requests.append(path)
                behaviour, content = server._answers.get(path, (status(404), b""))
                with contextlib.suppress(OSError):  # the other side has hung up
                    behaviour(self, content)

            def log_message(self, *arguments: object) -> None:
                """Not into the tests' output."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str, behaviour: Behaviour, content: bytes) -> str:
        """Makes an address that is answered in this way."""
        self._answers[path] = behaviour, content
        return f"http://{self.host}{path}"

    def stalled(self, share: float) -> Behaviour:
        """Sends a part and then nothing more, without hanging up."""

        def answer(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
            cut(share)(handler, content)
            handler.wfile.flush()
            self.released.wait(300)

        return answer

    def silent(self, handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
        """Takes the request and says nothing."""
        self.released.wait(300)

    def held(self, handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
        """Sends a half, and the rest when it is released."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        self.released.wait(300)
        handler.wfile.write(content[len(content) // 2 :])

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# Folders that cannot be written to


@contextlib.contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Makes a folder and all below it read-only, for this process too if it is root's, who may write everywhere."""
    paths = [folder, *folder.rglob("*")]
    modes = [path.stat().st_mode for path in paths]
    root = os.geteuid() == 0
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)
