"""The main job of the command line: `kit run` and `kit evaluate`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit import engines
from kit.commands import options
from kit.commands.options import (
    ChallengeOption,
    DebugOption,
    ForgetOption,
    JsonOption,
    MemoryLimitOption,
    ModelOption,
    OutOption,
    PrecisionOption,
    RecipeOption,
    SandboxOption,
    SeedOption,
    SplitSeedOption,
    ThreadsOption,
    TimeLimitOption,
    WeightsOption,
)
from kit.engines import Engine
from kit.machine import quiet

if TYPE_CHECKING:
    from kit.evaluation import Evaluation
    from kit.types import Challenge

MethodsArgument = Annotated[list[str] | None, typer.Argument(metavar="[METHOD|FILE]...", help="Default: finetune.")]
FreshOracleOption = Annotated[
    bool, typer.Option("--fresh-oracle", help="Retrain, even where retrained models come with the kit.")
]


@dataclass(frozen=True)
class _Problem:
    """On what: the arguments of `kit.load_challenge`."""

    name_or_path: str
    forget: str | None
    split_seed: int
    model: Path | None
    weights: Path | None
    recipe: Path | None
    precision: str


@dataclass(frozen=True)
class _Job:
    """What was asked for."""

    methods: list[str]
    problem: _Problem
    num_models: int
    seed: int
    out: Path
    limits: tuple[bool, float | None, float | None]
    json_file: Path | None
    debug: bool
    fresh_oracle: bool


def run(
    methods: MethodsArgument = None,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    model: ModelOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = None,
    precision: PrecisionOption = "float32",
    threads: ThreadsOption = None,
    seed: SeedOption = 0,
    out: OutOption = Path("runs"),
    fresh_oracle: FreshOracleOption = False,
    sandbox: SandboxOption = False,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Unlearn, retrain, attack and compare: the main job."""
    limits = (sandbox, time_limit, memory_limit)
    problem = _Problem(challenge, forget, split_seed, model, weights, recipe, precision)
    options.use_threads(threads)
    _compare(_Job(methods or ["finetune"], problem, 1, seed, out, limits, json_file, debug, fresh_oracle))


def evaluate(
    methods: MethodsArgument = None,
    num_models: Annotated[int, typer.Option("--num-models", min=1, help="Models of each method.")] = 8,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Models made at a time. Default: one a core.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="serial|processes|ray", help="Where models are made; the bits are the same."),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="HOST:PORT", help="Of a Ray cluster ('auto': this machine's).")
    ] = None,
    gpus_per_worker: Annotated[
        float, typer.Option("--gpus-per-worker", min=0.0, help="With ray: 0.5 lets two models share a card.")
    ] = 0.0,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    model: ModelOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = None,
    precision: PrecisionOption = "float32",
    threads: ThreadsOption = None,
    seed: SeedOption = 0,
    out: OutOption = Path("runs"),
    fresh_oracle: FreshOracleOption = False,
    sandbox: SandboxOption = False,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """The same with a population of each method, and the 2023 competition's score (512 models there)."""
    limits = (sandbox, time_limit, memory_limit)
    problem = _Problem(challenge, forget, split_seed, model, weights, recipe, precision)
    options.use_threads(threads)
    job = _Job(methods or ["finetune"], problem, num_models, seed, out, limits, json_file, debug, fresh_oracle)
    if engine is None and (address is not None or gpus_per_worker):
        engine = "ray"
    elif engine is None and workers is not None:
        engine = "processes"

    def start() -> Engine | None:
        if engine is None:
            return None
        return engines.start(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)

    _compare(job, start)


def _compare(job: _Job, start: Callable[[], Engine | None] = lambda: None) -> None:
    from kit import scorers
    from kit.submission.source import check_identifier

    for identifier in job.methods:
        check_identifier(identifier)
    scorers.families()  # a broken one is said now, before models are made
    options.check_sandbox(job.limits[0])
    options.require_writable(job.out)
    options.require_writable_json(job.json_file)
    with quiet.quiet_tensorflow(job.debug):
        from kit import challenges, evaluation
    announce = options.announcer()
    loaded = challenges.load_challenge(**vars(job.problem), announce=announce)
    options.require_writable(job.out / loaded.name)
    with options.resumable(), contextlib.ExitStack() as stack:
        started = start()
        if started is not None:
            stack.enter_context(started)
        result = evaluation.evaluate_all(
            job.methods,
            loaded,
            num_models=job.num_models,
            seed=job.seed,
            fresh_oracle=job.fresh_oracle,
            root=job.out,
            engine=started,
            containment=options.containment(*job.limits),
            announce=announce,
        )
    _show(result, loaded, job)
    if result.failures:
        raise typer.Exit(1)


def _show(result: Evaluation, challenge: Challenge, job: _Job) -> None:
    """Writes the report, the split and the figures, and prints the table."""
    from rich.console import Console

    from kit import evaluation, reports
    from kit.challenges import splits
    from kit.reports import figures as plots
    from kit.reports import ranking_table

    folder = job.out / challenge.name
    splits.save_split(challenge.split, folder / "split.npz")
    reports.write_json(folder / "report.json", result.reports, result.failures)
    members, nonmembers, _ = evaluation.attack_sample(challenge)
    figures = plots.figures(result.outputs, members, nonmembers)
    for name in plots.NAMES:
        (folder / f"{name}.png").unlink(missing_ok=True)  # of another run, which this report is not about
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.png")
    console = Console(stderr=str(job.json_file) == "-", highlight=False)
    reports.print_table(result.reports, console, result.failures)
    ranking_table.print_ranking(result.reports, console)
    written = [folder / name for name in ("report.json", *(f"{name}.png" for name in figures), "split.npz")]
    console.print(f"\nWritten: {', '.join(map(str, written))}", soft_wrap=True, markup=False)
    options.write_json(job.json_file, reports.to_json(result.reports, result.failures))
