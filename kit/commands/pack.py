"""The last commands of a participant's path, and a host's: `kit pack` and `kit check-pack`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit import methods
from kit.commands import options
from kit.commands.engine_options import EngineOptions
from kit.commands.options import (
    AddressOption,
    BackendOption,
    ChallengeOption,
    DebugOption,
    EngineOption,
    ForgetOption,
    FreshOracleOption,
    GpusOption,
    JsonOption,
    MemoryLimitOption,
    OutOption,
    QuietOption,
    SandboxOption,
    SeedOption,
    SplitSeedOption,
    TimeLimitOption,
    WorkersOption,
)
from kit.machine import quiet
from kit.types import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from kit.commands.judging import Verdict
    from kit.contest.growing import Packed


def pack(
    file: Annotated[str, typer.Argument(metavar="FILE|METHOD", help="The submission.")],
    num_models: Annotated[int, typer.Option("--num-models", min=1, help="Models in the pack.")] = 512,
    output: Annotated[Path, typer.Option("--output", metavar="ZIP", help="The zip to write.")] = Path("submission.zip"),
    half: Annotated[bool, typer.Option("--float16", help="Half the size, last digits lost.")] = False,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    engine: EngineOption = None,
    address: AddressOption = None,
    gpus_per_worker: GpusOption = 0.0,
    backend: BackendOption = None,
    sandbox: SandboxOption = None,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Run a submission many times and zip the unlearned models."""
    sandbox = options.sandbox_for(file, sandbox)
    _check_outputs(output, json_file)
    engine_options = EngineOptions(engine, workers, address, gpus_per_worker, backend)
    engine_options.check()
    options.prepare(None, debug, backend)
    _end_mock_run(output)
    from kit import challenges

    challenges.check_request(challenge, forget=forget)
    with quiet.quiet_tensorflow(debug):
        from kit.contest import pack as packing
    loaded = challenges.load_challenge(challenge, forget=forget, split_seed=split_seed)
    with options.resumable(), engine_options.started() as running:
        packed = packing.pack(
            file,
            loaded,
            num_models=num_models,
            output=output,
            seed=seed,
            half=half,
            engine=running,
            containment=options.containment(sandbox, time_limit, memory_limit),
        )
    _show_pack(packed, json_file)


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
    num_models: Annotated[int | None, typer.Option("--num-models", min=1, help="How many there must be.")] = None,
    rerun: Annotated[int, typer.Option("--rerun", min=0, help="Make so many again, compare and time them.")] = 0,
    method: Annotated[str | None, typer.Option("--method", metavar="FILE|METHOD", help="What --rerun runs.")] = None,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    fresh_oracle: FreshOracleOption = False,
    sandbox: SandboxOption = None,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    out: OutOption = Path("runs"),
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Check a pack and score its models."""
    from kit.storage import files

    files.require_file(file, "Expected a zip that 'kit pack' wrote.")
    from kit import challenges

    sandbox = options.decide_sandbox(sandbox, _check_rerun(rerun, method))
    challenges.check_request(challenge, forget=forget)
    options.require_writable(out)
    options.require_writable_file(json_file)
    from rich.console import Console

    console = Console(stderr=str(json_file) == "-", highlight=False)
    with quiet.quiet_tensorflow(debug):
        from kit.commands import judging
    loaded = challenges.load_challenge(challenge, forget=forget, split_seed=split_seed)
    again = judging.rerun_of(method, rerun, options.containment(sandbox, time_limit, memory_limit)) if method else None
    with options.resumable():
        verdict = judging.judge(
            file,
            loaded,
            num_models=num_models,
            rerun=again,
            fresh_oracle=fresh_oracle,
            root=out,
            show=lambda outcome: options.print_check(console, outcome.name, outcome.status, outcome.message),
            announce=options.announcer(),
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
    reports.print_table(verdict.reports, console)
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
