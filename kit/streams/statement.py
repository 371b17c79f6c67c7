"""The page of a request in plain language: what was asked, who decided what, what was done, and what is not covered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

NOT_COVERED = (
    "the records themselves: in the training data, in copies, backups, caches and logs; nothing was deleted there",
    "models that are not this one: earlier versions of it, copies that are being served, what was fine-tuned, "
    "distilled or merged from it",
    "what the model has computed from the records and somebody has stored: embeddings, scores, decisions",
    "other records of the same person that the request does not name, and near-duplicates",
    "the time between the request and its settlement, in which the model was as before",
    "whether there was a duty to erase, or an exemption: that is for people to decide",
)


def page(content: Mapping[str, Any]) -> str:
    """Returns the page, in Markdown.

    Args:
        content: of `evidence.json`.
    """
    request, decision, batch, outcome = (content[name] for name in ("request", "decision", "batch", "outcome"))
    late = " **That is after the deadline.**" if request["missed"] else ""
    facts = [
        ("request", f"{request['number']} (key {_plain(request['key'])})"),
        ("records", f"{request['records']}"),
        ("taken in", f"{request['received']} by {_plain(request['requester'])}"),
        ("deadline", request["deadline"]),
        ("settled", request["settled"]),
        ("decided", f"by {_plain(decision['by'])}: {_plain(decision['policy'])}, {_plain(decision['reason'])}"),
        ("batch", f"{batch['number']}: {batch['requests']} requests, {batch['records']} records, one training"),
    ]
    history = [(event["at"], _plain(f"{event['kind']}: {event['text']}")) for event in content["history"]]
    parts = [
        f"# Request {request['number']} to forget",
        f"{_DONE.get(outcome['class'], _CHANGED)}{late}",
        _table(("", ""), facts),
        "## What was done",
        _table(
            ("", ""),
            [
                (_LABELS.get(name, _plain(name)), _plain(_text(value)))
                for name, value in outcome.items()
                if name not in _ELSEWHERE
            ],
        ),
        *_report(outcome.get("report", {})),
        "## History",
        _table(("when", "what"), history),
        "## What is not covered",
        "\n".join(f"- {line}." for line in [*content["not_covered"], *outcome.get("not_proven", [])]),
    ]
    return "\n\n".join(parts) + "\n"


def _report(report: Mapping[str, Any]) -> list[str]:
    if not report:
        return []
    rows = [
        (_PARTS[part], f"{report[part]['examples']:,}", *(f"{report[part][when][what]:.3f}" for when, what in _COLUMNS))
        for part in _PARTS
    ]
    return [
        "## The model before and after",
        _table(("examples", "number", "accuracy before", "after", "loss before", "after"), rows),
        _attack(report["attack"]),
    ]


def _attack(attack: Mapping[str, Mapping[str, float]]) -> str:
    before, after = attack["before"], attack["after"]
    return (
        "An attacker who sees the losses tells these records from test examples with an AUC of "
        f"{before['auc']:.3f} before and {after['auc']:.3f} after; between {after['low']:.3f} and {after['high']:.3f} "
        "he sees no difference. Records that are harder, or easier, than the test set's can lie outside though they "
        "were never learnt."
    )


_PARTS = {"test": "test set", "records": "records of the batch"}
_CHANGED = "The model was changed so as to forget the records of this request."
_DONE = {
    "exact": "The model was made anew without the records of this request.",
    "earlier": "The model had forgotten the records of this request before it was served.",
}
_ELSEWHERE = ("report", "not_proven")
_LABELS = {
    "why": "why by this method",
    "deleted": "records deleted, of the batch",
    "gone_earlier": "records that were gone before",
    "log_line": "line of the log",
    "weights_sha256": "sha256 of the model's weights",
    "certificate_sha256": "sha256 of the certificate",
    "signed_by": "signed by the key",
    "certified_at": "signed on",
}
_COLUMNS = (("before", "accuracy"), ("after", "accuracy"), ("before", "loss"), ("after", "loss"))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items()) or "none"
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    r"""Returns a text that comes from outside so that Markdown shows it as it is.

    Example:
        >>> print(_plain("a|b"))
        a\|b
    """
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", str(text))
