"""What comes out of a contained process: text that is kept at both ends, and replies that may be forged."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import select
import threading
import time
from typing import IO, Any

_KEPT_OUTPUT = 64 * 1024
# Elsewhere nobody can look whether something is in a pipe.
_CAN_LOOK = os.name == "posix"
# What TensorFlow's log begins its lines with: it says things when it likes, whoever is at work.
_OF_TENSORFLOW = re.compile(
    rb"^(?:WARNING: All log messages before absl|[IWE]\d{4} \d|\d{4}-\d\d-\d\d [\d:.]+: [IWE] "
    rb"|To enable the following)[^\n]*\n?",
    re.MULTILINE,
)
_LARGEST_REPLY, _MOST_REPLIES = 1 << 20, 100


class Output:
    """Reads what a process prints, keeps the beginning and the end of it, and counts the rest."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Begins to read in a thread of its own."""
        self.num_bytes, self._head, self._tail = 0, b"", b""
        self._stream, self._lock = stream, threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True, name="kit-output")
        self._thread.start()

    def _read(self) -> None:
        while True:
            if _CAN_LOOK:  # before the lock is taken: what comes may be long in coming
                select.select([self._stream], [], [])
            with self._lock if _CAN_LOOK else contextlib.nullcontext():
                chunk = os.read(self._stream.fileno(), 1 << 16)
                if not chunk:
                    self._stream.close()
                    return
                self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        self.num_bytes += len(chunk)
        room = _KEPT_OUTPUT - len(self._head)
        self._head += chunk[:room]
        self._tail = (self._tail + chunk[room:])[-_KEPT_OUTPUT:] if len(chunk) > room else self._tail

    def so_far(self) -> int:
        """Returns how many bytes were printed until now; what is on its way is waited for, a second at most."""
        deadline = time.monotonic() + 1
        while _CAN_LOOK and time.monotonic() < deadline:
            with self._lock:
                if self._stream.closed or not select.select([self._stream], [], [], 0)[0]:
                    break
            time.sleep(0.001)
        return self.num_bytes

    def since(self, before: int) -> int:
        """Returns how many bytes were printed beyond the first `before`, lines of TensorFlow's log left out."""
        printed = self.so_far()
        lines = _OF_TENSORFLOW.findall(self._head[before:printed])
        return printed - before - sum(map(len, lines))

    def text(self) -> str:
        """Returns what is kept."""
        left_out = self.num_bytes - len(self._head) - len(self._tail)
        middle = f"\n... {left_out:,} bytes left out ...\n".encode() if left_out else b""
        return (self._head + middle + self._tail).decode(errors="replace")

    def finish(self) -> None:
        """Waits for the end of what the process printed."""
        self._thread.join(timeout=1)


# What the kit's own program says in a contained process. A line of the submission's begins with a tabulator.
_OWN = ("started", "ended", "unconfined")


class Replies:
    """Reads lines of JSON with the time at which each came; a flood or a line that is none ends the reading.

    So does one of the submission's that pretends to be the kit's own.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        """Begins to read in a thread of its own; `disturbed` tells whether something came that is no reply."""
        self.disturbed = False
        self._queue: queue.Queue[tuple[float, dict[str, Any]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True, name="kit-replies")
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream, contextlib.suppress(OSError):
            while line := stream.readline(_LARGEST_REPLY):
                try:
                    reply = json.loads(line)
                except (ValueError, RecursionError):
                    reply = None
                forged = isinstance(reply, dict) and line.startswith(b"\t") and reply.get("kind") in _OWN
                if not isinstance(reply, dict) or forged or self._queue.qsize() > _MOST_REPLIES:
                    self.disturbed = True
                    break
                self._queue.put((time.perf_counter(), reply))
        self._queue.put(None)

    def next(self, seconds: float) -> tuple[float, dict[str, Any]] | None:
        """Returns the next reply; None at the end. Raises `queue.Empty` when none comes in time."""
        return self._queue.get(timeout=seconds)
