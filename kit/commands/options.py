"""What the commands share: options, quiet imports, places to write to."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.types.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from kit.runs.contained import Containment

_STYLES_OF_CHECKS = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red", "SKIP": "dim"}

JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the result as JSON ('-': to the output).")
]
# What tqdm reads when it is imported: so are bars left out, here and in the processes that are started.
_WITHOUT_BARS = "TQDM_DISABLE"


def _be_quiet(quiet: bool) -> bool:
    if quiet:
        os.environ[_WITHOUT_BARS] = "1"
    return quiet


QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_be_quiet, help="No progress: results, warnings and errors alone.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and TensorFlow's log.")]
ChallengeOption = Annotated[
    str,
    typer.Option(
        "--challenge", metavar="NAME|FILE", help="See 'kit list challenges'; or .npz, .csv, .parquet of yours."
    ),
]
ForgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="WHAT", help="random:0.1, stratified:0.1, class:5, group:ID, mislabelled, or a file of row numbers."
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="FILE.keras|NAME", help="Your own model, or another of the kit's (resnet18, ...)."),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Weights of your original model: .weights.h5 or .npz."),
]
RecipeOption = Annotated[
    Path | None, typer.Option("--recipe", metavar="FILE.toml", help="How your model is trained: epochs = 20, ...")
]
IdColumnOption = Annotated[
    str | None,
    typer.Option("--id-column", metavar="NAME", help="Column of a table by which a file of requests names examples."),
]
TaskOption = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="NAME", help="classification, multilabel, regression. Default: what your model's loss says."
    ),
]
CustomObjectsOption = Annotated[
    Path | None,
    typer.Option("--custom-objects", metavar="FILE.py", help="Layers and functions of your model. The file is run."),
]
BuilderOption = Annotated[
    str | None,
    typer.Option("--builder", metavar="FILE.py:FUNCTION", help="Makes your model, if it is subclassed. It is run."),
]
PrecisionOption = Annotated[
    str, typer.Option("--precision", metavar="float32|tf32|bfloat16", help="Number format used in training.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, help="Threads per model. More than 1 (default) is faster but changes results slightly."
    ),
]
SplitSeedOption = Annotated[int, typer.Option(min=0, help="Seed of a random forget set.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the runs.")]
OutOption = Annotated[Path, typer.Option(metavar="DIR", help="Folder of runs, reports and pages.")]
FreshOracleOption = Annotated[
    bool, typer.Option("--fresh-oracle", help="Retrain, even where retrained models come with the kit.")
]
SandboxOption = Annotated[
    bool | None,
    typer.Option(
        "--sandbox/--no-sandbox", help="Run files in bubblewrap (Linux): no network, no home. Default: where it works."
    ),
]
TimeLimitOption = Annotated[
    float | None,
    typer.Option("--time-limit", min=1.0, metavar="SECONDS", help="End a call of a file that takes longer."),
]
MemoryLimitOption = Annotated[
    float | None, typer.Option("--memory-limit", min=1.0, metavar="GIB", help="End a file that takes more memory.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Models made at a time. Default: one a core.")
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="serial|processes|ray|stacked",
        help="Where models are made; stacked (JAX; results differ slightly) where there is an accelerator.",
    ),
]
BackendOption = Annotated[
    str | None,
    typer.Option("--backend", metavar="tensorflow|jax", help="Of Keras; tensorflow keeps the engine from stacked too."),
]
AddressOption = Annotated[
    str | None, typer.Option("--address", metavar="HOST:PORT", help="Of a Ray cluster ('auto': this machine's).")
]
GpusOption = Annotated[
    float, typer.Option("--gpus-per-worker", min=0.0, help="With ray: 0.5 lets two models share a card.")
]


def require_method(method: str) -> None:
    """Checks that there is a method of this name; nothing is imported.

    Raises:
        InputError: there is none; near matches are shown.
    """
    from kit import methods

    if method not in methods.names():
        hint = did_you_mean(method, methods.names(), f"The methods are {', '.join(methods.names())}.")
        raise InputError(f"There is no method '{method}'. Expected one of 'kit list methods'. {hint}")


def tell(paragraphs: Sequence[str]) -> None:
    """Prints paragraphs for people, below and apart from the output."""
    for paragraph in paragraphs:
        typer.echo(f"\nNote: {paragraph}", err=True)


def prepare(threads: int | None, debug: bool, backend: str | None = None) -> None:
    """Fixes before Keras is imported, if asked for, on what it runs and with how many threads; and that it is quiet."""
    from kit.machine import quiet
    from kit.machine import threads as of_tensorflow

    quiet.ask_for_quiet(debug)
    if backend is not None:
        os.environ["KERAS_BACKEND"] = backend
    if threads is not None:
        of_tensorflow.use(threads)


def write_json(path: Path | None, content: object) -> None:
    """Writes to the file, to the output if it is '-', or nowhere."""
    if path is not None:
        write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_text(path: Path | None, text: str) -> None:
    """Writes to the file, atomically and in UTF-8, to the output if it is '-', or nowhere."""
    if path is not None and str(path) == "-":
        typer.echo(text, nl=False)
    elif path is not None:
        from kit.storage import files

        with files.atomic_write(path) as stream:
            stream.write(text.encode())


def require_writable(folder: Path, option: str = "--out") -> None:
    """Checks that results can be written under `folder` before anything is computed."""
    from kit.storage import files

    files.require_writable(folder, option)


def require_writable_file(
    path: Path | None, option: str = "--json", expected: str = "the name of a file, or '-' for the output"
) -> None:
    """Checks that the file of an option can be written before anything is computed.

    Args:
        path: of the file; None where the option was not given.
        option: that names it.
        expected: what the option takes, for people.
    """
    if path is not None and path.is_dir():
        raise InputError(f"{option} '{path}' is a folder. Expected {expected}. Add a name.")
    if path is not None and str(path) != "-":
        require_writable(path.parent, option)


def decide_sandbox(asked_for: bool | None, has_files: bool) -> bool:
    """Returns whether files run in the sandbox; says in a line what is given up where they do not.

    Args:
        asked_for: by the option; None where nothing was, and this machine decides.
        has_files: whether there are any.

    Raises:
        InputError: it was asked for, and does not work here.
    """
    if not has_files and not asked_for:
        return False
    from kit.submission import sandbox

    if asked_for:
        sandbox.require_sandbox()
        return True
    problem = "--no-sandbox was given." if asked_for is False else sandbox.sandbox_problem()
    if problem:
        tell([f"Files run without the sandbox, with all of your rights on this machine and its network. {problem}"])
    return not problem


def sandbox_for(identifier: str, asked_for: bool | None) -> bool:
    """Checks that there is such a method or file, and returns whether it runs in the sandbox: see `decide_sandbox`."""
    from kit import methods
    from kit.submission.source import check_identifier

    check_identifier(identifier)
    return decide_sandbox(asked_for, has_files=identifier not in methods.names())


def containment(sandboxed: bool | None, time_limit: float | None, memory_limit: float | None) -> Containment:
    """Returns how files are run, from the options."""
    from kit.runs.contained import Containment

    return Containment(time_limit, None if memory_limit is None else int(memory_limit * 2**30), sandboxed)


def announcer() -> Callable[[str], None]:
    """Returns a function that tells people, not machines, what is being done; nobody with `--quiet`."""

    def announce(line: str) -> None:
        if os.environ.get(_WITHOUT_BARS):
            return
        from rich.console import Console

        Console(stderr=True, highlight=False).print(f"· {line}", style="dim", markup=False)

    return announce


@contextlib.contextmanager
def resumable(kept: str = "Finished models are kept") -> Iterator[None]:
    """Says after Ctrl-C that nothing is lost, and what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. {kept}: the same command goes on where it stopped.", err=True)
        raise typer.Exit(130) from None


def print_check(console: Console, name: str, status: str, message: str) -> None:
    """Prints the outcome of a check: PASS, WARN, FAIL or SKIP, its name, and what was found."""
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    row.add_column(width=4)
    row.add_column(width=19)
    row.add_column(overflow="fold")
    row.add_row(Text(status, _STYLES_OF_CHECKS[status]), Text(name), Text(message))
    console.print(row)
