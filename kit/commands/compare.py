"""The main job of the command line: `kit run` and `kit evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import options, settings
from kit.commands.engine_options import EngineOptions
from kit.commands.options import (
    AddressOption,
    BackendOption,
    BuilderOption,
    ChallengeOption,
    CustomObjectsOption,
    DebugOption,
    EngineOption,
    ForgetOption,
    FreshOracleOption,
    GpusOption,
    IdColumnOption,
    JsonOption,
    MemoryLimitOption,
    ModelOption,
    OutOption,
    PrecisionOption,
    QuietOption,
    RecipeOption,
    SandboxOption,
    SeedOption,
    SplitSeedOption,
    TaskOption,
    ThreadsOption,
    TimeLimitOption,
    WeightsOption,
    WorkersOption,
)
from kit.commands.settings import SetOption
from kit.types import ModelOptions

if TYPE_CHECKING:
    from kit.evaluation import Evaluation
    from kit.types import Challenge

MethodsArgument = Annotated[list[str] | None, typer.Argument(metavar="[METHOD|FILE]...", help="Default: finetune.")]


@dataclass(frozen=True)
class _Problem:
    """On what: the arguments of `kit.challenges.loading.load`."""

    name_or_path: str
    forget: str | None
    split_seed: int
    model: str | None
    weights: Path | None
    precision: str
    options: ModelOptions


@dataclass(frozen=True)
class _Limits:
    """How files are run: the arguments of `options.containment`."""

    sandboxed: bool | None
    time_limit: float | None
    memory_limit: float | None


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
    hyperparameters: SetOption = None,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    model: ModelOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = None,
    id_column: IdColumnOption = None,
    task: TaskOption = None,
    custom_objects: CustomObjectsOption = None,
    builder: BuilderOption = None,
    precision: PrecisionOption = "float32",
    threads: ThreadsOption = None,
    backend: BackendOption = None,
    seed: SeedOption = 0,
    out: OutOption = Path("runs"),
    fresh_oracle: FreshOracleOption = False,
    sandbox: SandboxOption = None,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Unlearn, retrain, attack and compare: the main job."""
    model_options = ModelOptions(recipe, id_column, task, custom_objects, builder)
    problem = _Problem(challenge, forget, split_seed, model, weights, precision, model_options)
    limits = _Limits(sandbox, time_limit, memory_limit)
    engine_options = EngineOptions(backend=backend)
    options.prepare(threads, debug, backend)
    models = _Models(1, seed, out, fresh_oracle, settings.parse(hyperparameters))
    _compare(methods, problem, limits, engine_options, models, json_file)


def evaluate(
    methods: MethodsArgument = None,
    hyperparameters: SetOption = None,
    num_models: Annotated[int, typer.Option("--num-models", min=1, help="Models of each method.")] = 8,
    num_originals: Annotated[
        int, typer.Option("--originals", min=1, help="From as many originals, --num-models from each.")
    ] = 1,
    workers: WorkersOption = None,
    engine: EngineOption = None,
    address: AddressOption = None,
    gpus_per_worker: GpusOption = 0.0,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    model: ModelOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = None,
    id_column: IdColumnOption = None,
    task: TaskOption = None,
    custom_objects: CustomObjectsOption = None,
    builder: BuilderOption = None,
    precision: PrecisionOption = "float32",
    threads: ThreadsOption = None,
    backend: BackendOption = None,
    seed: SeedOption = 0,
    out: OutOption = Path("runs"),
    fresh_oracle: FreshOracleOption = False,
    sandbox: SandboxOption = None,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Score methods over many seeds, with the NeurIPS 2023 competition's score (512 models there)."""
    model_options = ModelOptions(recipe, id_column, task, custom_objects, builder)
    problem = _Problem(challenge, forget, split_seed, model, weights, precision, model_options)
    limits = _Limits(sandbox, time_limit, memory_limit)
    engine_options = EngineOptions(engine, workers, address, gpus_per_worker, backend)
    options.prepare(threads, debug, backend)
    models = _Models(num_models, seed, out, fresh_oracle, settings.parse(hyperparameters), num_originals)
    _compare(methods, problem, limits, engine_options, models, json_file)


def _compare(
    methods: list[str] | None,
    problem: _Problem,
    limits: _Limits,
    engine_options: EngineOptions,
    models: _Models,
    json_file: Path | None,
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
    limits = replace(limits, sandboxed=options.decide_sandbox(limits.sandboxed, has_files))
    options.require_writable(models.out)
    options.require_writable_file(json_file)
    from kit.challenges import loading

    announce = options.announcer()
    challenge = loading.load(**vars(problem), announce=announce)
    options.require_writable(models.out / challenge.name)
    from kit import evaluation
    from kit.evaluation.plan import Plan
    from kit.runs.population import Request
    from kit.runs.settings import with_given

    challenge = with_given(challenge, entries, models.given)
    request = Request(models.num_models, models.seed, models.out, options.containment(**vars(limits)))
    with options.resumable(), engine_options.started() as engine:
        plan = Plan(request, fresh_oracle=models.fresh_oracle, engine=engine, num_originals=models.num_originals)
        result = evaluation.carry_out(entries, challenge, plan, announce=announce)
    _show(result, challenge, [entry.name for entry in entries], models.out, json_file)
    if result.failures:
        raise typer.Exit(1)


def _show(result: Evaluation, challenge: Challenge, methods: Sequence[str], out: Path, json_file: Path | None) -> None:
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
    reports.print_table(result.reports, console, result.failures)
    ranking_table.print_ranking(result.reports, console)
    names = (folders.REPORT, drawing.EVIDENCE, "split.npz")
    console.print(f"\nWritten to {folder}: {', '.join(names)}\n{folder / drawing.PAGE}", soft_wrap=True, markup=False)
    options.write_json(json_file, seals.with_digest(reports.to_json(result.reports, result.failures)))
