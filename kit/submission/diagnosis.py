"""How contained processes end, in words: each ending names the check that it fails and says what to do."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Mapping
from typing import Any

from kit.submission.source import Source
from kit.types import BrokenSubmission

_MOST_LINES, _MOST_LETTERS = 3, 200
# What terminals obey: colours, movements, titles.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)")


def explain(
    source: Source,
    *,
    limit_bytes: int,
    stage: str,
    reply: Mapping[str, Any],
    outcome: Mapping[str, Any],
    disturbed: bool,
    output: str = "",
) -> BrokenSubmission:
    """Finds out what went wrong from a contained process's last words, or from how it ended.

    Args:
        source: the submission.
        limit_bytes: of memory.
        stage: what it was doing: `starting`, `importing`, `preparing`, `calling`, `returning`.
        reply: its last one; empty where there was none.
        outcome: what its supervisor reports.
        disturbed: whether something that is no reply came through the channel of replies.
        output: what it printed.

    Returns:
        The error, with the check that failed and a paragraph.
    """
    name, limit, kind = source.name, f"{limit_bytes / 2**30:.1f} GiB", reply.get("kind")
    if kind in ("import_failed", "raised"):
        return _explain_error(source, reply, limit)
    if kind == "no_model":
        returned = printable(reply.get("type"), 80)
        return BrokenSubmission("returns_model", no_model(name, returned, net_edited=bool(reply.get("net_edited"))))
    is_starting = stage == "starting" and not disturbed and kind is None
    if is_starting:
        return BrokenSubmission("runs", _no_start(name, limit, outcome, output))
    if outcome.get("ended_for") == "memory":
        return BrokenSubmission("memory", _too_much_memory(name, limit, ""))
    check = "imports" if stage == "importing" else "runs"
    if disturbed or kind is not None:
        return BrokenSubmission(
            check,
            f"'{name}' wrote into the channel through which its process talks to the kit. Expected it to leave "
            "file descriptors alone that it did not open. Use print, or open a file of your own.",
        )
    return BrokenSubmission(
        check,
        f"'{name}' ended its process while {stage} ({_ending(outcome)}). Expected it to leave the process "
        "alone and, when it is called, to return the model. Look for os._exit, signals, too many processes, or a "
        f"library that crashes.{last_words(output)}",
    )


def _no_start(name: str, limit: str, outcome: Mapping[str, Any], output: str) -> str:
    """Returns the paragraph for a process that ended before it came to the submission."""
    if outcome.get("ended_for") == "memory":
        return (
            f"The process for '{name}' took more memory than the limit of {limit} while it started, before it came to "
            "the file. Expected room for the libraries and the data at least. Raise --memory-limit, or choose a "
            f"smaller challenge.{last_words(output)}"
        )
    return (
        f"The process for '{name}' ended while it started ({_exit(outcome)}), before it came to the file. Expected "
        "Python and Keras to start there as they do here: the installation or the machine is at fault. See what 'kit "
        f"doctor' says of it, and try again with more memory free.{last_words(output)}"
    )


def too_slow(name: str, stage: str, seconds: float, output: str) -> BrokenSubmission:
    """Returns the error for a process that was ended because it took too long.

    Args:
        name: of the submission.
        stage: what it was doing, as for `explain`.
        seconds: how long it was waited for.
        output: what it printed.
    """
    if stage in ("starting", "preparing"):
        return BrokenSubmission(
            "runs",
            f"The process for '{name}' was ended because it was not ready after {seconds:.0f} s of {stage}. Expected "
            "a few seconds. Try again when the machine has less to do; 'kit doctor' says what it can do."
            f"{last_words(output)}",
        )
    what = {"importing": "importing it", "returning": "handing its model over"}.get(stage, "its call")
    return BrokenSubmission(
        "imports" if stage == "importing" else "time_budget",
        f"'{name}' was ended because {what} took more than {seconds:.0f} s. Expected it to return in a fraction of a "
        "retraining's time. Look for a loop without an end, do fewer epochs, or compile once rather than at each of "
        "them.",
    )


def last_words(output: str) -> str:
    """Returns a sentence with the last lines that a contained process printed, or nothing where it printed none.

    Args:
        output: whatever it printed; control characters and what terminals obey are left out, long lines are cut.

    Example:
        >>> last_words("\\x1b[31mImportError\\x1b[0m: no module\\n\\n")
        " It printed last: 'ImportError: no module'."
        >>> last_words("")
        ''
    """
    lines = [
        "".join(letter for letter in _ESCAPES.sub("", line) if letter.isprintable()) for line in output.splitlines()
    ]
    lines = [line.strip() for line in lines if line.strip()][-_MOST_LINES:]
    short = [line if len(line) <= _MOST_LETTERS else f"{line[: _MOST_LETTERS - 3]}..." for line in lines]
    return f" It printed last: '{' | '.join(short)}'." if short else ""


def _explain_error(source: Source, reply: Mapping[str, Any], limit: str) -> BrokenSubmission:
    """Explains an error that importing the file or calling its method raised."""
    name = source.name
    place = f" at {printable(reply['where'], 120)}" if reply.get("where") else ""
    if reply.get("error") in ("MemoryError", "ResourceExhaustedError"):
        return BrokenSubmission("memory", _too_much_memory(name, limit, place))
    error = f"{printable(reply.get('error'), 80)}: {printable(reply.get('text') or '', 400)}".rstrip(": ")
    error = error if error.endswith(".") else f"{error}."
    if reply.get("error") == "FileNotFoundError" and "/given/submission/" in error:
        error += " Files beside a submission are not there when it runs, only modules that it imports (RULES.md)."
    if reply.get("kind") == "import_failed":
        return BrokenSubmission(
            "imports",
            f"Importing '{name}' failed{place} with {error} Expected a file that only defines things. "
            f"Run 'python {source.entry}' to see where it fails.",
        )
    return BrokenSubmission(
        "runs",
        f"'{name}' failed{place} with {error} Expected unlearning(net, retain, forget, validation) to return the "
        "unlearned model. Fix the function; --debug shows all that it printed.",
    )


def printable(value: object, most: int) -> str:
    """Returns what a contained process says as text that is safe to print: short, and without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value)[:most])


def _too_much_memory(name: str, limit: str, place: str) -> str:
    return (
        f"'{name}' asked for more memory than the limit of {limit}{place}. Expected it to stay below. Work in batches, "
        "do not keep a copy for each example, or raise --memory-limit."
    )


def no_model(name: str, kind: str, *, net_edited: bool) -> str:
    """Returns the paragraph for a method that returned no model.

    Args:
        name: of the method.
        kind: name of the type of what it returned.
        net_edited: whether it has changed the model that it was handed.

    Example:
        >>> no_model("mine", "History", net_edited=True)[:64]
        "'mine' returned a History (net.fit returns a History, not the mo"
    """
    if kind == "NoneType" and net_edited:
        return (
            f"'{name}' returned nothing although it has changed 'net'. Expected the unlearned keras.Model. End the "
            "function with 'return net'."
        )
    what = "nothing" if kind == "NoneType" else f"a {kind}"
    hint = " (net.fit returns a History, not the model)" if kind == "History" else ""
    return (
        f"'{name}' returned {what}{hint}. Expected the unlearned keras.Model. End the function with 'return net', or "
        "return the model that you built."
    )


def _ending(outcome: Mapping[str, Any]) -> str:
    if outcome.get("ended_for") == "processes":
        return "it started too many processes"
    if outcome.get("ended_for") in ("supervisor", "frozen"):
        return "it killed or stopped the process that watches it"
    return _exit(outcome)


def _exit(outcome: Mapping[str, Any]) -> str:
    code = outcome.get("exit_code")
    if not isinstance(code, int):
        return "no exit code"
    number = -code if code < 0 else code - 128 if code > 128 else 0
    with contextlib.suppress(ValueError):
        if number:
            return f"signal {signal.Signals(number).name}"
    return f"exit code {code}"
