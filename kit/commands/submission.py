"""The commands of a participant's path: new, validate, pack, check-pack, doctor."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import kit
from kit import methods
from kit.commands import options
from kit.commands.options import ChallengeOption, DebugOption, ForgetOption, JsonOption, SandboxOption, SplitSeedOption
from kit.machine import quiet
from kit.types import InputError

_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red", "SKIP": "dim"}


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, e.g. my_method.py.")],
    debug: DebugOption = False,
) -> None:
    """Write a submission to start from."""
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise InputError(
            f"'{file}' cannot be the name of a submission, which Python imports. Expected letters, digits and "
            "underscores, and the ending .py. Try my_method.py."
        )
    if file.stem in methods.names():
        raise InputError(
            f"'{file.stem}' is the name of a built-in method, and rows of one name cannot be told apart. Expected "
            "another name. Try my_method.py."
        )
    if file.exists():
        raise InputError(f"'{file}' exists already. Expected a new name, so that nothing is lost. Choose another one.")
    if _is_module(file.stem):
        raise InputError(
            f"'{file.stem}' is the name of a module, and Python would import '{file}' in its place. Expected another "
            f"name. Try {file.with_name(f'my_{file.name}')}."
        )
    options.require_writable(file.parent)
    file.parent.mkdir(parents=True, exist_ok=True)
    template = Path(kit.__file__).parent / "submission" / "template.py"  # not imported: it imports TensorFlow
    shutil.copyfile(template, file)
    typer.echo(f"Written: {file}. Next: 'kit validate {file}', then 'kit run {file}'.")


def _is_module(name: str) -> bool:
    """Returns whether Python finds a module of this name; a folder without an __init__.py hides nothing."""
    if name in sys.stdlib_module_names or name in sys.modules:
        return True
    specification = importlib.util.find_spec(name)
    return specification is not None and specification.origin is not None


def validate(
    file: Annotated[str, typer.Argument(metavar="FILE|METHOD", help="The submission.")],
    challenge: ChallengeOption = "noisy-digits",
    sandbox: SandboxOption = False,
    time_limit: options.TimeLimitOption = None,
    memory_limit: options.MemoryLimitOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Check a submission, a line a check, before any long run."""
    from rich.console import Console

    from kit.submission.source import check_identifier

    check_identifier(file)
    options.check_sandbox(sandbox)
    options.require_writable_json(json_file)
    console = Console(stderr=str(json_file) == "-", highlight=False)
    with quiet.quiet_tensorflow(debug):
        from kit import challenges
        from kit.contest import validate as checks
        from kit.runs import timing
        from kit.submission.contained import Limits, default_memory_bytes
    loaded = challenges.load_challenge(challenge)
    seconds = time_limit or checks.time_limit(timing.reference_seconds(loaded))
    limits = Limits(seconds, int(memory_limit * 2**30) if memory_limit else default_memory_bytes())

    def show(one: checks.Checked) -> None:
        _print_check(console, one.name, one.status, one.message)

    checked = checks.examine(file, loaded, sandboxed=sandbox, limits=limits, announce=show)
    failed = sum(one.status == "FAIL" for one in checked)
    warned = sum(one.status == "WARN" for one in checked)
    verdict = f"not ready: {failed} to mend" if failed else "ready" + (f", {warned} to look at" if warned else "")
    console.print(f"\n{file}: {verdict}.", soft_wrap=True, markup=False)
    content: dict[str, Any] = {"file": file, "challenge": loaded.name, "ready": not failed}
    options.write_json(json_file, content | {"checks": [asdict(one) for one in checked]})
    if failed:
        raise typer.Exit(1)


def _print_check(console: Any, name: str, status: str, message: str) -> None:
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    row.add_column(width=4)
    row.add_column(width=19)
    row.add_column(overflow="fold")
    row.add_row(Text(status, _STYLES[status]), Text(name), Text(message))
    console.print(row)


def pack(
    file: Annotated[str, typer.Argument(metavar="FILE|METHOD", help="The submission.")],
    num_models: Annotated[int, typer.Option("--num-models", min=1, help="Models in the pack.")] = 512,
    output: Annotated[Path, typer.Option("--output", metavar="ZIP", help="The zip to write.")] = Path("submission.zip"),
    half: Annotated[bool, typer.Option("--float16", help="Half the size, last digits lost.")] = False,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    seed: options.SeedOption = 0,
    sandbox: SandboxOption = False,
    time_limit: options.TimeLimitOption = None,
    memory_limit: options.MemoryLimitOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Run a submission many times and zip the unlearned models."""
    from kit.submission.source import check_identifier

    check_identifier(file)
    options.check_sandbox(sandbox)
    options.require_writable(output.parent, "--output")
    options.require_writable_json(json_file)
    if output.exists():
        raise InputError(
            f"'{output}' exists already. Expected a new name, so that no finished pack is lost. Choose another "
            "--output, or delete it."
        )
    with quiet.quiet_tensorflow(debug):
        from kit import challenges
        from kit.contest import pack as packing
    if packing.is_mock_run():
        packing.write_mock(output)
        typer.echo(f"This is a run without data (empty.txt in the input folder). Written: the mock {output}.")
        return
    loaded = challenges.load_challenge(challenge, forget=forget, split_seed=split_seed)
    with options.resumable():
        packed = packing.pack(
            file,
            loaded,
            num_models=num_models,
            output=output,
            seed=seed,
            half=half,
            containment=options.containment(sandbox, time_limit, memory_limit),
        )
    typer.echo(
        f"Written: {packed.path}, {packed.num_models} models, {packed.num_bytes / 1e6:.1f} MB. Next: "
        f"'kit check-pack {packed.path}'.",
        err=str(json_file) == "-",
    )
    options.write_json(json_file, asdict(packed) | {"path": str(packed.path)})


def check_pack(
    file: Annotated[Path, typer.Argument(metavar="ZIP", help="What 'kit pack' wrote.")],
    num_models: Annotated[int | None, typer.Option("--num-models", min=1, help="How many there must be.")] = None,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    out: options.OutOption = Path("runs"),
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Check a pack and score its models."""
    from rich.console import Console

    if not os.path.isfile(file):
        raise InputError(f"There is no file '{file}'. Expected a zip that 'kit pack' wrote. Check the path.")
    options.require_writable(out)
    options.require_writable_json(json_file)
    console = Console(stderr=str(json_file) == "-", highlight=False)
    with quiet.quiet_tensorflow(debug):
        from kit import challenges, evaluation
        from kit.contest import check_pack as checking
    from kit import reports

    loaded = challenges.load_challenge(challenge, forget=forget, split_seed=split_seed)

    def show(one: checking.PackCheck) -> None:
        _print_check(console, one.name, one.status, one.message)

    checked = checking.check_pack(file, loaded, num_models=num_models, announce=show)
    content: dict[str, Any] = {"checks": [asdict(one) for one in checked.checks]}
    if checked.outputs is None or not checked.sound:
        console.print(f"\n{file}: not accepted.", soft_wrap=True, markup=False)
        options.write_json(json_file, content)
        raise typer.Exit(1)
    with options.resumable():
        result = evaluation.evaluate_all(
            [],
            loaded,
            num_models=checked.outputs.num_models,
            seed=checked.seed,
            root=out,
            given=[checked.outputs],
            announce=options.announcer(),
        )
    reports.print_table(result.reports, console)
    options.write_json(json_file, content | reports.to_json(result.reports))


def doctor(json_file: JsonOption = None, debug: DebugOption = False) -> None:
    """Say what this machine can do."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    with quiet.quiet_tensorflow(debug):
        from kit.commands import doctor as examination

        facts = examination.examine()
    if str(json_file) != "-":
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for fact in facts:
            told = Text(fact.value if fact.good else f"{fact.value}. {fact.advice}", "" if fact.good else "yellow")
            table.add_row(Text(fact.name, "bold"), told)
        Console(highlight=False).print(table)
    options.write_json(json_file, {fact.name: asdict(fact) for fact in facts})
