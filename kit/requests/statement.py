"""A page in plain language for whoever signs: what was done, what was measured, and what is not covered."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kit.requests.findings import Difference, Findings, Verdict
from kit.requests.outcome import Outcome
from kit.requests.request import DeletionRequest

_VERDICTS: dict[Verdict, str] = {
    "forgotten": (
        "The model knew {records} better than models that never saw them; the unlearned model does not. This "
        "comparison cannot tell it from a model that was trained without them."
    ),
    "cannot tell": (
        "Already before, the model knew {records} no better than models that never saw them, as far as this comparison "
        "can see. The unlearned model is no different. So nothing was found, and no forgetting could be shown either."
    ),
    "remembered": (
        "The unlearned model still knows {records} better than models that never saw them. They are not forgotten. "
        "Retraining (--method retrain) is exact."
    ),
    "over-forgotten": (
        "The unlearned model knows {records} less than models that never saw them do. That is a trace too: by it they "
        "can be told as having been deleted. Another seed or method, or retraining, may do better."
    ),
    "doubtful reference": (
        "Nothing can be said of {records}: models that are trained as it was said, on the same data, are not like "
        "the original, so that a difference to them may have other reasons than the records. Give the recipe or "
        "the function by which the model was trained (--recipe, --retrain)."
    ),
}
_NOT_COVERED = (
    "The original model's file, its checkpoints and what was exported from it: they hold what was learnt. Delete them.",
    "The records themselves: in the training data, in copies, backups, caches and logs. Nothing was deleted there.",
    "Other models that were trained on these records, or from this model (fine-tuned, distilled, merged).",
    "What the model has computed from the records and somebody has stored: embeddings, scores, decisions.",
    "What other attacks might find. That a comparison finds no difference is no proof that there is none.",
    "These pages: they name the records' rows, and how well models know them. Keep them as you keep such data.",
)


def verdict(outcome: Outcome) -> str:
    """Returns the verdict as a paragraph.

    Args:
        outcome: of a request that was carried out.
    """
    number = len(outcome.request.rows)
    records = "the record" if number == 1 else f"the {number:,} records"
    text = _VERDICTS[outcome.findings.verdict].format(records=records)
    return (
        text.replace("them", "it").replace("They are", "It is").replace("they can", "it can") if number == 1 else text
    )


def harm(findings: Findings) -> str:
    """Returns what the unlearned model has lost, as a sentence.

    Args:
        findings: of the unlearned model.
    """
    whole, *groups = findings.harm
    harmed = [group.name for group in findings.harm if group.harmed]
    harmed += [f"{each.output} ({each.measure}, {each.name})" for each in findings.outputs if each.harmed]
    together = ", right in all outputs" if findings.outputs else ""
    numbers = (
        f"Accuracy on test examples{together}: {whole.before:.3f} before, {whole.after:.3f} after, "
        f"{whole.retrained:.3f} in retrained models"
    )
    numbers += "".join(
        f"; of '{each.output}' {each.before:.3f}, {each.after:.3f} and {each.retrained:.3f}"
        for each in findings.outputs
        if each.measure == "accuracy"
    )
    if harmed:
        return f"{numbers}. Worse than a retrained model would be, beyond luck: {', '.join(harmed)}."
    others = f"one of {len(groups)} groups" + (", nor in a measure of one output," if findings.outputs else "")
    return f"{numbers}; neither there nor in {others} is it worse than luck explains."


def page(outcome: Outcome, when: str, unlearned_sha256: str) -> str:
    """Returns the page, in Markdown.

    Args:
        outcome: of the request.
        when: date and time.
        unlearned_sha256: of the delivered model.
    """
    request, challenge = outcome.request, outcome.request.challenge
    facts = [
        ("records to be forgotten", f"{len(request.rows):,} of {len(challenge.train):,} training examples"),
        ("model", f"{_plain(request.net.name)}, sha256 {request.model_sha256}"),
        ("data", f"sha256 {request.data_sha256}"),
        ("unlearned model", f"sha256 {unlearned_sha256}"),
        ("models for comparison", f"trained by {_training(request)}"),
        ("method", f"{_plain(outcome.method)}, seed {outcome.seed}"),
        ("when", when),
    ]
    parts = [
        "# A request to forget: what was done",
        f"**Verdict: {outcome.verdict}.** {verdict(outcome)}",
        _table(("", ""), facts),
        "## What was done",
        *_done(outcome),
        "## What the measurements say",
        *_measured(outcome.findings),
        "## Whether the comparison can be trusted",
        *_trusted(outcome.findings),
        "## What is not covered",
        "\n".join(f"- {line}" for line in [*_other_outputs(outcome.request), *_NOT_COVERED]),
    ]
    return "\n\n".join(parts) + "\n"


def _other_outputs(request: DeletionRequest) -> list[str]:
    """Returns what is to be said of outputs that change with the one that the request is about."""
    names = request.changed_outputs
    if not names:
        return []
    listed = ", ".join(f"`{_plain(name)}`" for name in names)
    return [
        f"The model's other outputs, {listed}. They share layers that were changed without regard to them: they may be "
        "less accurate, or useless, and they may still know the records. Check them before they are used."
    ]


def _training(request: DeletionRequest) -> str:
    if request.training is None:
        return "the recipe in request.json"
    return " ".join(["the function", *(_plain(part) for part in request.training.described.values())])


def _done(outcome: Outcome) -> list[str]:
    choice = outcome.choice
    parts = [
        f"The method '{_plain(outcome.method)}' changed the weights of a copy of the model; its layers and settings "
        "are those of the original, and what its optimizer remembered was discarded.",
        f"Why this method: {_plain(choice.reason)}",
    ]
    if choice.tried:
        parts.append(
            f"In each rehearsal {_plain(choice.kind)} were forgotten, none of them requested, by a model that had not "
            "learnt the requested ones:"
        )
        rows = [
            (_plain(each.method), f"{each.distance:.2f}", f"{each.low:.2f} to {each.high:.2f}") for each in choice.tried
        ]
        parts.append(_table(("method", "distance to retraining (0: none)", "95 %"), rows))
    return parts


def _measured(findings: Findings) -> list[str]:
    knowledge = findings.knowledge
    rows = [
        ("original", *_numbers(knowledge.before)),
        ("unlearned", *_numbers(knowledge.after)),
        ("models that learnt the records, their mean", *_numbers(knowledge.learnt)),
    ]
    groups = [
        (
            _plain(group.name),
            f"{group.examples:,}",
            *(f"{share:.3f}" for share in (group.before, group.after, group.retrained)),
            f"{group.against_retrained.low:+.3f} to {group.against_retrained.high:+.3f}",
        )
        for group in findings.harm
    ]
    return [
        "How much better than retrained models each knows the records (mean log-odds of the right answer; 0 within the "
        "interval: no better):",
        _table(("model", "difference", "95 %", "like a retrained one"), rows),
        _plain(harm(findings)),
        _table(("test examples", "number", "before", "after", "retrained", "after minus retrained, 95 %"), groups),
        *_of_outputs(findings),
        "Each record's loss and how it stands out are in people.csv, all scores in report.json.",
    ]


def _of_outputs(findings: Findings) -> list[str]:
    """Returns what each of several outputs has lost."""
    rows = [
        (
            *(_plain(text) for text in (each.output, each.measure, each.name)),
            f"{each.examples:,}",
            *(f"{number:.4g}" for number in (each.before, each.after, each.retrained)),
            f"{each.against_retrained.low:+.3g} to {each.against_retrained.high:+.3g}",
            "**yes**" if each.harmed else "no",
        )
        for each in findings.outputs
    ]
    if not rows:
        return []
    headings = ("output", "measure", "test examples", "number", "before", "after", "retrained")
    return [
        "Each output by itself, by its own labels (of errors and of cross-entropy, less is better; the intervals of "
        "all lines hold together):",
        _table((*headings, "after minus retrained, 95 %", "harmed"), rows),
    ]


def _trusted(findings: Findings) -> list[str]:
    off = [name for name, part in findings.reproduction.items() if not part.inside]
    if not off:
        return [
            "Models that were trained by the recipe on all training examples, the records included, are like the "
            f"original: on test examples, in each of {len(findings.harm) - 1} groups, and in how well they know the "
            "records."
        ]
    rows = [(_plain(name), *_numbers(part)) for name, part in findings.reproduction.items()]
    return [
        "**No.** Models that were trained by the recipe on all training examples differ from the original in: "
        f"{_plain(', '.join(off))}.",
        _table(("original minus these models", "difference", "95 %", "alike"), rows),
    ]


def _numbers(part: Difference) -> tuple[str, str, str]:
    return f"{part.value:+.3f}", f"{part.low:+.3f} to {part.high:+.3f}", "yes" if part.inside else "no"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Returns a text that comes from outside so that Markdown shows it as it is.

    Example:
        >>> _plain("a|b <script>")
        'a\\\\|b \\\\<script\\\\>'
    """
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text)
