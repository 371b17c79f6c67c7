"""The last commands of a participant's path, and a host's: `kit pack` and `kit check-pack`."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit import methods
from kit.commands import completion, messages, options
from kit.commands.containment import Limits, decide_sandbox, sandbox_for
from kit.commands.engine_options import EngineOptions
from kit.commands.grouped_help import OUTPUT
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
    NumModelsOption,
    OutOption,
    OutputNameOption,
    PrecisionOption,
    QuietOption,
    RecipeOption,
    SandboxOption,
    SeedOption,
    SplitSeedOption,
    TaskOption,
    TimeLimitOption,
    WeightsOption,
    WorkersOption,
)
from kit.commands.problem import Problem
from kit.commands.submission import SubmissionArgument
from kit.machine import quiet
from kit.types import InputError, ModelOptions

if TYPE_CHECKING:
    from rich.console import Console

    from kit.commands.judging import Verdict
    from kit.contest.growing import Packed

_models = functools.partial(typer.Option, rich_help_panel=options.MODELS)
_ZipOption = Annotated[Path, typer.Option("--output", metavar="ZIP", help="The zip to write.", rich_help_panel=OUTPUT)]
_HalfOption = Annotated[
    bool, typer.Option("--float16", help="Half the size; last digits are lost.", rich_help_panel=OUTPUT)
]
_RerunMethodOption = Annotated[
    str | None,
    _models(
        "--method", metavar="FILE|METHOD", help="The method that --rerun runs.", autocompletion=completion.method_names
    ),
]


def pack(
    file: SubmissionArgument,
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
    num_models: NumModelsOption = 512,
    seed: SeedOption = 0,
    precision: PrecisionOption = "float32",
    workers: WorkersOption = None,
    engine: EngineOption = None,
    address: AddressOption = None,
    gpus_per_worker: GpusOption = 0.0,
    backend: BackendOption = None,
    sandbox: SandboxOption = None,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    output: _ZipOption = Path("submission.zip"),
    half: _HalfOption = False,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Run a submission many times and zip the unlearned models.

    Examples:
        kit pack my_method.py --num-models 512 --workers 4
        kit pack my_method.py --challenge data.npz --model model.keras --output ours.zip
    """
    sandboxed = sandbox_for(file, sandbox)
    _check_outputs(output, json_file)
    engine_options = EngineOptions(engine, workers, address, gpus_per_worker, backend)
    engine_options.check()
    options.prepare(None, debug, backend)
    _end_mock_run(output)
    model_options = ModelOptions(recipe, id_column, task, custom_objects, builder, output=output_name)
    problem = Problem(challenge, forget, split_seed, model, weights, precision, model_options)
    problem.check()
    limits = Limits(sandboxed, time_limit, memory_limit)
    _show_pack(_packed(file, problem, engine_options, limits, _Zip(output, num_models, seed, half), debug), json_file)


@dataclass(frozen=True)
class _Zip:
    """What is packed: how many models, from which seed, in which form, into which file."""

    output: Path
    num_models: int
    seed: int
    half: bool


def _packed(
    file: str, problem: Problem, engine_options: EngineOptions, limits: Limits, contents: _Zip, debug: bool
) -> Packed:
    """Makes the models, on the engine that was asked for, and packs them."""
    with quiet.quiet_tensorflow(debug):
        from kit.contest import pack as packing
    loaded = problem.load(messages.announcer())
    with messages.resumable(), engine_options.started() as running:
        return packing.pack(file, loaded, **vars(contents), engine=running, containment=limits.containment())


def _check_outputs(output: Path, json_file: Path | None) -> None:
    """Checks that the pack and the JSON can be written, and that no other pack is lost by it."""
    options.require_writable(output.parent, "--output")
    options.require_writable_file(json_file)
    if output.exists():
        raise InputError(
            f"'{output}' exists already. Expected a new name, so that no finished pack is lost. Choose another "
            "--output, or delete it."
        )


def _end_mock_run(output: Path) -> None:
    """Ends the command, if this is the competition's first run of a notebook, with the zip that it has to leave."""
    from kit.contest import mock

    if mock.is_mock_run():
        mock.write_mock(output)
        typer.echo(f"This is a run without data (empty.txt in the input folder). Written: the mock {output}.")
        raise typer.Exit


def _show_pack(packed: Packed, json_file: Path | None) -> None:
    typer.echo(
        f"Written: {packed.path}, {packed.num_models} models, {packed.num_bytes / 1e6:.1f} MB. Next: "
        f"'kit check-pack {packed.path}'.",
        err=str(json_file) == "-",
    )
    options.write_json(json_file, asdict(packed) | {"path": str(packed.path)})


def check_pack(
    file: Annotated[Path, typer.Argument(metavar="ZIP", help="What 'kit pack' wrote.")],
    num_models: Annotated[
        int | None, _models("--num-models", min=1, metavar="N", help="How many models there must be.")
    ] = None,
    rerun: Annotated[
        int, _models("--rerun", min=0, metavar="N", help="Make so many models again, compare them and time them.")
    ] = 0,
    method: _RerunMethodOption = None,
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
    precision: PrecisionOption = "float32",
    fresh_oracle: FreshOracleOption = False,
    sandbox: SandboxOption = None,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    out: OutOption = Path("runs"),
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Check a pack and score its models.

    Examples:
        kit check-pack submission.zip
        kit check-pack submission.zip --rerun 4 --method my_method.py --fresh-oracle
    """
    from kit.storage import files

    files.require_file(file, "Expected a zip that 'kit pack' wrote.")
    sandboxed = decide_sandbox(sandbox, _check_rerun(rerun, method))
    model_options = ModelOptions(recipe, id_column, task, custom_objects, builder, output=output_name)
    problem = Problem(challenge, forget, split_seed, model, weights, precision, model_options)
    problem.check()
    options.require_writable(out)
    options.require_writable_file(json_file)
    limits = Limits(sandboxed, time_limit, memory_limit)
    judgement = _Judgement(num_models, rerun, method, fresh_oracle, out)
    _judge(file, problem, limits, judgement, json_file, debug)


@dataclass(frozen=True)
class _Judgement:
    """What is asked of a pack, and where retrained models are kept."""

    num_models: int | None
    rerun: int
    method: str | None
    fresh_oracle: bool
    out: Path


def _judge(
    file: Path, problem: Problem, limits: Limits, asked: _Judgement, json_file: Path | None, debug: bool
) -> None:
    """Checks and scores the pack, and shows what came of it."""
    from rich.console import Console

    console = Console(stderr=str(json_file) == "-", highlight=False)
    with quiet.quiet_tensorflow(debug):
        from kit.commands import judging
    loaded = problem.load(messages.announcer())
    again = judging.rerun_of(asked.method, asked.rerun, limits.containment()) if asked.method else None
    with messages.resumable():
        verdict = judging.judge(
            file,
            loaded,
            num_models=asked.num_models,
            rerun=again,
            fresh_oracle=asked.fresh_oracle,
            root=asked.out,
            show=lambda outcome: messages.print_check(console, outcome.name, outcome.status, outcome.message),
            announce=messages.announcer(),
        )
    _show_verdict(verdict, file, console, json_file)


def _show_verdict(verdict: Verdict, file: Path, console: Console, json_file: Path | None) -> None:
    """Prints the table of a sound pack, and ends with exit code 1 for another; either is written as JSON."""
    from kit import reports
    from kit.storage import seals

    content: dict[str, Any] = {"checks": [asdict(outcome) for outcome in verdict.checks]}
    if not verdict.reports:
        console.print(f"\n{file}: not accepted.", soft_wrap=True, markup=False)
        options.write_json(json_file, content)
        raise typer.Exit(1)
    reports.print_table(verdict.reports, console, explain=True)  # it is not stored, and cannot be shown again
    options.write_json(json_file, seals.with_digest(content | reports.to_json(verdict.reports)))


def _check_rerun(rerun: int, method: str | None) -> bool:
    """Checks that there is something to be made again, and a number of how often; returns whether it is a file.

    Raises:
        InputError: one of both is missing, or the method is none.
    """
    if bool(rerun) != (method is not None):
        raise InputError(
            "--rerun and --method belong together: how many models are made again, and by what. Expected both or none. "
            "Try --rerun 4 --method my_method.py."
        )
    if method is None:
        return False
    from kit.submission.source import check_identifier

    check_identifier(method)
    return method not in methods.names()
