"""What a contained process may send: anything. The kit reads it without harm, and says in words how it ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.submission.diagnosis import explain, printable
from kit.submission.pipes import Output, Replies
from kit.submission.source import Source
from kit.types import BrokenSubmission

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SAID = st.dictionaries(st.sampled_from(["kind", "error", "text", "where", "type", "net_edited", "seconds"]), JSON)
KINDS = st.sampled_from(["raised", "import_failed", "no_model", "written", "", None])
OUTCOME = st.fixed_dictionaries(
    {
        "exit_code": st.none() | st.integers(-70, 300),
        "ended_for": st.sampled_from(["", "memory", "processes", "stopped", "supervisor"]),
    }
)


def sent(content: bytes) -> int:
    """Returns the reading end of a pipe through which `content` comes."""
    reading, writing = os.pipe()

    def write() -> None:
        view = memoryview(content)
        try:
            while view:
                view = view[os.write(writing, view[: 1 << 16]) :]
        except OSError:  # the reader has given up
            pass
        finally:
            os.close(writing)

    threading.Thread(target=write, daemon=True).start()
    return reading


def replies_to(content: bytes) -> tuple[list[dict[str, Any]], bool]:
    replies, answers = Replies(os.fdopen(sent(content), "rb")), []
    while (answer := replies.next(10)) is not None:
        answers.append(answer[1])
    return answers, replies.disturbed


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), max_size=6))
def test_whatever_comes_the_replies_are_objects_and_then_there_is_an_end(lines: list[bytes]) -> None:
    replies, disturbed = replies_to(b"".join(line + b"\n" for line in lines))
    assert all(isinstance(reply, dict) for reply in replies)
    assert len(replies) <= len(lines) + sum(line.count(b"\n") for line in lines)
    assert disturbed or all(line.strip()[:1] in (b"{", b"") or b"\n" in line for line in lines)


def test_honest_replies_come_in_order_with_their_times() -> None:
    replies = Replies(os.fdopen(sent(b'{"kind": "a"}\n{"kind": "b"}\n'), "rb"))
    first, second = replies.next(5), replies.next(5)
    assert first is not None
    assert second is not None
    assert (first[1], second[1]) == ({"kind": "a"}, {"kind": "b"})
    assert first[0] <= second[0]
    assert replies.next(5) is None
    assert not replies.disturbed


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000 + b"\n",
        b"x" * 5_000_000,
        b'{"kind": "a"}\n' * 1000,
        b"null\n",
        b"\xff\xfe\n",
        b"1" * 10_000 + b"\n",
    ],
    ids=["deep", "no end of line", "a flood", "null", "no text", "a long number"],
)
def test_what_is_no_reply_ends_the_reading(content: bytes) -> None:
    replies, disturbed = replies_to(content)
    assert disturbed
    assert len(replies) <= 110


def test_a_reply_that_does_not_come_is_not_waited_for_for_ever() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb"), pytest.raises(queue.Empty):
        Replies(os.fdopen(reading, "rb")).next(0.05)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can look whether something is in a pipe")
def test_what_is_on_its_way_is_counted() -> None:
    reading, writing = os.pipe()
    output = Output(os.fdopen(reading, "rb"))
    counts = []
    for number in range(1, 300):
        os.write(writing, b"x" * 7)
        counts.append(output.so_far() - 7 * number)
    os.close(writing)
    output.finish()
    assert not any(counts)
    assert output.so_far() == 7 * 299


def test_lines_of_tensorflows_log_are_not_what_a_file_prints() -> None:
    reading, writing = os.pipe()
    output = Output(os.fdopen(reading, "rb"))
    os.write(writing, b"before\n")
    log = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    log += b"I0000 00:00:1795777465.550370   22009 cudart_stub.cc:31] Could not find cuda drivers\n"
    os.write(writing, log + b"hello I0000 1\n" + b"2026-11-27 10:00:00.123456: I tensorflow/core/x.cc:1] oneDNN\n")
    counted = output.since(7)
    os.close(writing)
    output.finish()
    assert counted == len(b"hello I0000 1\n")


@pytest.mark.parametrize("size", [0, 10, 64 * 1024, 64 * 1024 + 1, 128 * 1024, 128 * 1024 + 1, 3_000_000])
def test_output_is_counted_whole_and_kept_at_both_ends(size: int) -> None:
    content = bytes(65 + number % 26 for number in range(size))
    output = Output(os.fdopen(sent(content), "rb"))
    output.finish()
    text = output.text()
    assert output.num_bytes == size
    kept = min(size, 64 * 1024)
    assert text.startswith(content[:kept].decode())
    assert text.endswith(content[size - min(size, 1000) :].decode())
    assert ("bytes left out" in text) == (size > 128 * 1024)
    assert len(text) <= 128 * 1024 + 100


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    SAID, KINDS, OUTCOME, st.sampled_from(["starting", "importing", "preparing", "calling", "returning"]), st.booleans()
)
def test_every_ending_is_told_in_one_safe_paragraph(
    reply: dict[str, Any], kind: str | None, outcome: dict[str, Any], stage: str, disturbed: bool
) -> None:
    source = Source("mine", "mine.py", {"mine.py": b""})
    reply = reply if kind is None else reply | {"kind": kind}
    broken = explain(source, limit_bytes=1 << 30, stage=stage, reply=reply, outcome=outcome, disturbed=disturbed)
    assert isinstance(broken, BrokenSubmission)
    assert broken.check in {"runs", "imports", "memory", "returns_model"}
    assert str(broken).isprintable()
    assert "Expected" in str(broken)
    assert len(str(broken)) < 1500


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ({"exit_code": -signal.SIGSEGV}, "signal SIGSEGV"),
        ({"exit_code": 128 + signal.SIGKILL}, "signal SIGKILL"),  # as bubblewrap reports it
        ({"exit_code": 3}, "exit code 3"),
        ({"exit_code": 1, "ended_for": "processes"}, "too many processes"),
        ({"exit_code": None, "ended_for": "supervisor"}, "killed or stopped the process that watches it"),
        ({"exit_code": -9, "ended_for": "memory"}, "more memory than the limit of 1.0 GiB"),
    ],
)
def test_an_ending_without_words_is_read_from_the_outcome(outcome: dict[str, Any], words: str) -> None:
    source = Source("mine", "mine.py", {"mine.py": b""})
    broken = explain(source, limit_bytes=1 << 30, stage="calling", reply={}, outcome=outcome, disturbed=False)
    assert words in str(broken)


@given(st.text())
def test_printable_text_has_no_control_characters(text: str) -> None:
    assert printable(text, 50).isprintable()
    assert len(printable(text, 50)) <= 50
