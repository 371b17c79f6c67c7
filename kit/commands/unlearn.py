"""`kit unlearn`: a trained model, its data and a list of records in; the unlearned model and its evidence out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import completion, messages, options
from kit.commands.options import (
    BuilderOption,
    CustomObjectsOption,
    DebugOption,
    IdColumnOption,
    JsonOption,
    OutputNameOption,
    QuietOption,
    RecipeOption,
    SeedOption,
    TaskOption,
    ThreadsOption,
)
from kit.types import InputError, ModelOptions

if TYPE_CHECKING:
    from kit.requests import Outcome
    from kit.requests.findings import Harm

_AUTO = "auto"


ModelFileOption = Annotated[
    Path, typer.Option("--model", metavar="FILE.keras", help="Your trained model; it is only read.")
]
DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="FILE|FOLDER",
        help="Your data (.npz, .csv, .parquet) with a partition: 0 what the model learnt, 1 validation, 2 test; or a "
        "folder of images, train, validation and test.",
    ),
]
RecordsOption = Annotated[
    str, typer.Option("--forget", metavar="WHAT", help="A file of row numbers (.csv, .npy), or group:ID, class:5, ...")
]
OutputOption = Annotated[Path, typer.Option("--output", metavar="FILE.keras", help="The unlearned model.")]
MethodOption = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="NAME|FILE|auto",
        help="auto: what is nearest to retraining on other examples.",
        autocompletion=completion.method_names,
    ),
]
RetrainOption = Annotated[
    str | None,
    typer.Option(
        "--retrain", metavar="FILE.py:FUNCTION", help="Your training function, in place of a recipe. It is run."
    ),
]
EvidenceOption = Annotated[
    Path | None,
    typer.Option("--evidence", metavar="DIR", help="Also write report, tables and a page to sign, into a new folder."),
]
RetrainedOption = Annotated[
    int, typer.Option("--retrained", min=3, metavar="N", help="Models trained for comparison, with and without.")
]
MinutesOption = Annotated[
    float | None,
    typer.Option("--minutes", min=0.0, metavar="MINUTES", help="With auto: begin no other method after so long."),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace a file of --output, even --model.")]


def unlearn(
    model: ModelFileOption,
    data: DataOption,
    forget: RecordsOption,
    output: OutputOption,
    method: MethodOption = _AUTO,
    recipe: RecipeOption = None,
    id_column: IdColumnOption = None,
    task: TaskOption = None,
    output_name: OutputNameOption = None,
    custom_objects: CustomObjectsOption = None,
    builder: BuilderOption = None,
    retrain: RetrainOption = None,
    evidence: EvidenceOption = None,
    retrained: RetrainedOption = 8,
    minutes: MinutesOption = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    quietly: QuietOption = False,
    threads: ThreadsOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Forget records: write your model without them, and say by comparison with retraining how well.

    Examples:
        kit unlearn --model model.keras --data data.npz --forget requests.csv --output unlearned.keras
    """
    model_options = ModelOptions(recipe, id_column, task, custom_objects, builder, retrain, output=output_name)
    _check_names(model, data, forget, method, model_options)
    _check_places(model, output, evidence, json_file, overwrite=overwrite)
    options.prepare(threads, debug)
    from kit.machine import quiet as silence

    with silence.quiet_tensorflow(debug):
        from kit import requests
    with messages.resumable("Nothing was written, and your model is as it was. What was trained is kept"):
        announce = messages.announcer()
        request = requests.prepare(model, data, forget, model_options, announce=announce)
        root = requests.kept_at(request)
        effort = requests.Effort(retrained, requests.Plan(minutes=minutes), seed, root)
        outcome = requests.carry_out(request, method, effort, announce=announce)
        announce("writing")
        sha256 = requests.publish(outcome, model, output, evidence)
    _delete(root)
    _show(outcome, output, evidence, to_people=str(json_file) == "-")
    options.write_json(json_file, _summary(outcome, output, sha256))


def _check_names(model: Path, data: Path, forget: str, method: str, model_options: ModelOptions) -> None:
    """Checks names and files before anything large is imported."""
    from kit.challenges import checks, user_data
    from kit.models import file_names
    from kit.storage import files

    file_names.check_model_file(model)
    if not data.is_dir():
        files.require_file(data, f"Expected {user_data.EXAMPLES_FILE}.")
    checks.check_request(data, forget=forget, options=model_options)
    if method != _AUTO:
        from kit.submission.source import check_identifier

        check_identifier(method)


def _check_places(model: Path, output: Path, evidence: Path | None, json_file: Path | None, *, overwrite: bool) -> None:
    """Checks that what is to be written can be, and that nothing is lost by it."""
    if output.suffix != ".keras" or output.is_dir():
        raise InputError(
            f"--output '{output}' is no name of a .keras file. Expected one, for the unlearned model. Write, for "
            "instance, --output unlearned.keras."
        )
    if output.exists() and not overwrite:
        what = "is the model itself" if output.samefile(model) else "exists already"
        raise InputError(
            f"--output '{output}' {what}. Expected a new name, so that no model is lost. Choose another one, or say "
            "--overwrite."
        )
    options.require_writable(output.parent, "--output")
    options.require_writable_file(json_file)
    if evidence is not None:
        from kit.storage import files

        files.require_free(evidence, "--evidence")


def _delete(root: Path | None) -> None:
    """Deletes what was kept of a request's models, which know the records, once the model is delivered."""
    if root is not None and root.exists():
        from kit.storage import files

        files.remove(root)


def _show(outcome: Outcome, output: Path, evidence: Path | None, *, to_people: bool) -> None:
    """Prints what was done, the verdict, and what was lost."""
    from rich.console import Console

    from kit.requests import statement

    console = Console(stderr=to_people, highlight=False)
    lines = [
        f"{len(outcome.request.rows):,} of {len(outcome.request.challenge.train):,} training examples forgotten by "
        f"{outcome.method}. {outcome.choice.reason}",
        f"Verdict: {outcome.verdict}. {statement.verdict(outcome)}",
        statement.harm(outcome.findings),
        f"Written: {output}{'' if evidence is None else f', {evidence}/ (begin with statement.md)'}",
    ]
    for line in lines:
        console.print(f"\n{line}", markup=False)


def _summary(outcome: Outcome, output: Path, sha256: str) -> dict[str, Any]:
    whole, *_ = outcome.findings.harm
    return {
        "output": str(output),
        "sha256": sha256,
        "method": outcome.method,
        "reason": outcome.choice.reason,
        "verdict": outcome.verdict,
        "records": len(outcome.request.rows),
        "test_accuracy": _sides(whole),
    } | _of_outputs(outcome)


def _of_outputs(outcome: Outcome) -> dict[str, Any]:
    """Returns what each of several outputs measures on all test examples."""
    outputs: dict[str, dict[str, Any]] = {}
    for each in outcome.findings.outputs:
        if each.measure != "recall":
            outputs.setdefault(each.output, {})[each.measure] = _sides(each)
    return {"outputs": outputs} if outputs else {}


def _sides(harm: Harm) -> dict[str, float]:
    return {"before": harm.before, "after": harm.after, "retrained": harm.retrained}
