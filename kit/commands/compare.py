"""The main job of the command line: `kit run`, and `kit evaluate`, which is the same for many models."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import completion, messages, options, settings
from kit.commands.containment import Limits, decide_sandbox
from kit.commands.engine_options import EngineOptions
from kit.commands.options import (
    AddressOption,
    BackendOption,
    BuilderOption,
    ChallengeOption,
    CustomObjectsOption,
    DebugOption,
    EngineOption,
    ExplainOption,
    ForgetOption,
    FreshOracleOption,
    GpusOption,
    IdColumnOption,
    JsonOption,
    MemoryLimitOption,
    ModelOption,
    NumModelsOption,
    OriginalsOption,
    OutOption,
    OutputNameOption,
    PrecisionOption,
    QuietOption,
    RecipeOption,
    SandboxOption,
    SeedOption,
    SetOption,
    SplitSeedOption,
    TaskOption,
    ThreadsOption,
    TimeLimitOption,
    WeightsOption,
    WorkersOption,
)
from kit.commands.problem import Problem
from kit.types import ModelOptions

if TYPE_CHECKING:
    from kit.evaluation import Evaluation
    from kit.types import Challenge

MethodsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="METHOD|FILE",
        help="Of 'kit list methods', or files with a function 'unlearning'. Default: finetune.",
        autocompletion=completion.method_names,
    ),
]


@dataclass(frozen=True)
class _Models:
    """How many models of each method, with what, against which reference, and where they are kept."""

    num_models: int
    seed: int
    out: Path
    fresh_oracle: bool
    given: Mapping[str, Mapping[str, Any]]
    num_originals: int = 1


def run(
    methods: MethodsArgument = None,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    model: ModelOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = None,
    id_column: IdColumnOption = None,
    task: TaskOption = None,
    output_name: OutputNameOption = None,
    custom_objects: CustomObjectsOption = None,
    builder: BuilderOption = None,
    num_models: NumModelsOption = 1,
    num_originals: OriginalsOption = 1,
    seed: SeedOption = 0,
    hyperparameters: SetOption = None,
    fresh_oracle: FreshOracleOption = False,
    precision: PrecisionOption = "float32",
    threads: ThreadsOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = None,
    address: AddressOption = None,
    gpus_per_worker: GpusOption = 0.0,
    backend: BackendOption = None,
    sandbox: SandboxOption = None,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    explain: ExplainOption = False,
    out: OutOption = Path("runs"),
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Unlearn, retrain, attack and compare: one model of each method, or --num-models of them.

    Examples:
        kit run finetune scrub my_method.py
        kit run finetune scrub --num-models 16 --workers 4
        kit run scrub --challenge digits --forget class:5 --set scrub.alpha=0.9
        kit run finetune --challenge data.npz --model model.keras --forget requests.csv
    """
    model_options = ModelOptions(recipe, id_column, task, custom_objects, builder, output=output_name)
    problem = Problem(challenge, forget, split_seed, model, weights, precision, model_options)
    limits = Limits(sandbox, time_limit, memory_limit)
    engine_options = EngineOptions(engine, workers, address, gpus_per_worker, backend)
    options.prepare(threads, debug, backend)
    models = _Models(num_models, seed, out, fresh_oracle, settings.parse(hyperparameters), num_originals)
    _compare(methods, problem, limits, engine_options, models, json_file, explain=explain)


def _with_default(command: Callable[..., None], summary: str, **defaults: object) -> Callable[..., None]:
    """Returns the same command with other defaults, and the examples and the help that go with them."""

    @functools.wraps(command)
    def alias(**arguments: Any) -> None:
        command(**arguments)

    signature = inspect.signature(command, eval_str=True)
    parameters = [
        parameter.replace(default=defaults.get(name, parameter.default))
        for name, parameter in signature.parameters.items()
    ]
    alias.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    alias.__doc__ = summary
    return alias


evaluate = _with_default(
    run,
    """Score methods over many seeds: 'kit run' with 8 models of each by default (512 in the 2023 competition).

    Examples:
        kit evaluate finetune scrub salun
        kit evaluate my_method.py --num-models 512 --engine ray --address auto
    """,
    num_models=8,
)


def _compare(
    methods: list[str] | None,
    problem: Problem,
    limits: Limits,
    engine_options: EngineOptions,
    models: _Models,
    json_file: Path | None,
    *,
    explain: bool,
) -> None:
    """Refuses what cannot work before anything large is imported, then runs, scores and shows."""
    from kit import scorers
    from kit.submission import entry

    entries = entry.resolve_all(methods or ["finetune"])
    if models.given:
        from kit.runs.settings import require_given  # NumPy, which other wrong names do not wait for

        require_given(entries, models.given)
    engine_options.check()
    scorers.require_installed()
    has_files = any(method.source is not None for method in entries)
    limits = replace(limits, sandboxed=decide_sandbox(limits.sandboxed, has_files))
    options.require_writable(models.out)
    options.require_writable_file(json_file)
    announce = messages.announcer()
    challenge = problem.load(announce)
    options.require_writable(models.out / challenge.name)
    from kit import evaluation
    from kit.evaluation.plan import Plan
    from kit.runs.population import Request
    from kit.runs.settings import with_given

    challenge = with_given(challenge, entries, models.given)
    request = Request(models.num_models, models.seed, models.out, limits.containment())
    with messages.resumable(), engine_options.started() as engine:
        plan = Plan(request, fresh_oracle=models.fresh_oracle, engine=engine, num_originals=models.num_originals)
        result = evaluation.carry_out(entries, challenge, plan, announce=announce)
    _show(result, challenge, [entry.name for entry in entries], models.out, json_file, explain=explain)
    if result.failures:
        raise typer.Exit(1)


def _show(
    result: Evaluation,
    challenge: Challenge,
    methods: Sequence[str],
    out: Path,
    json_file: Path | None,
    *,
    explain: bool,
) -> None:
    """Writes the results into a folder of their own, and prints the table; the page's path is the last line."""
    from rich.console import Console

    from kit import reports
    from kit.challenges import splits
    from kit.commands import drawing
    from kit.reports import ranking_table
    from kit.storage import folders, seals

    with folders.fresh(out, challenge.name, methods) as folder:
        splits.save_split(challenge.split, folder / "split.npz")
        drawing.draw(result, challenge, folder, out / challenge.name / "scores" / "pages")
        reports.write_json(folder / folders.REPORT, result.reports, result.failures)
    console = Console(stderr=str(json_file) == "-", highlight=False)
    reports.print_table(result.reports, console, result.failures, explain=explain)
    ranking_table.print_ranking(result.reports, console)
    names = (folders.REPORT, drawing.EVIDENCE, "split.npz")
    hint = "" if explain else f"What the columns mean: kit report {folder} --explain, or the page.\n"
    written = f"Written to {folder}: {', '.join(names)}\n{folder / drawing.PAGE}"
    console.print(f"\n{hint}{written}", soft_wrap=True, markup=False)
    options.write_json(json_file, seals.with_digest(reports.to_json(result.reports, result.failures)))
