"""What the commands share: options, quiet imports, places to write to."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from kit.commands import completion
from kit.commands.grouped_help import OUTPUT
from kit.types.errors import InputError, did_you_mean

PROBLEM, OWN_MODEL, MODELS = "What is forgotten", "A model of your own", "The models that are made"
PLACES, FILES = "Where they are made", "Files with a method"

# What tqdm reads when it is imported: so are bars left out, here and in the processes that are started.
WITHOUT_BARS = "TQDM_DISABLE"


def _be_quiet(quiet: bool) -> bool:
    if quiet:
        os.environ[WITHOUT_BARS] = "1"
    return quiet


_problem = functools.partial(typer.Option, rich_help_panel=PROBLEM)
_own_model = functools.partial(typer.Option, rich_help_panel=OWN_MODEL)
_models = functools.partial(typer.Option, rich_help_panel=MODELS)
_places = functools.partial(typer.Option, rich_help_panel=PLACES)
_files = functools.partial(typer.Option, rich_help_panel=FILES)
_output = functools.partial(typer.Option, rich_help_panel=OUTPUT)

ChallengeOption = Annotated[
    str,
    _problem(
        "--challenge",
        metavar="NAME|FILE",
        help="One of 'kit list challenges', a file of yours (.npz, .csv or .parquet), or a folder of images.",
        autocompletion=completion.challenge_names,
    ),
]
ForgetOption = Annotated[
    str | None,
    _problem(
        "--forget",
        metavar="WHAT",
        help="random:0.1, stratified:0.1, class:5, group:ID, mislabelled, or a file of row numbers. Default: the "
        "challenge's own.",
    ),
]
SplitSeedOption = Annotated[int, _problem("--split-seed", min=0, metavar="N", help="Seed of a random forget set.")]
ModelOption = Annotated[
    str | None,
    _own_model(
        "--model",
        metavar="FILE.keras|NAME",
        help="Your trained model, or another network of the kit's (resnet18, ...).",
    ),
]
WeightsOption = Annotated[
    Path | None, _own_model("--weights", metavar="FILE", help="Weights of your original model: .weights.h5 or .npz.")
]
RecipeOption = Annotated[
    Path | None, _own_model("--recipe", metavar="FILE.toml", help="How your model is trained: epochs = 20, ...")
]
IdColumnOption = Annotated[
    str | None,
    _own_model("--id-column", metavar="NAME", help="Column of a table by which a file of requests names examples."),
]
OutputNameOption = Annotated[
    str | None,
    _own_model("--output-name", metavar="NAME|all", help="Of several outputs, that of the labels, or all."),
]
TaskOption = Annotated[
    str | None,
    _own_model(
        "--task",
        metavar="NAME",
        help="classification, multilabel or regression. Default: what your model's loss says.",
        autocompletion=completion.among("classification", "multilabel", "regression"),
    ),
]
CustomObjectsOption = Annotated[
    Path | None,
    _own_model("--custom-objects", metavar="FILE.py", help="Layers and functions of your model. The file is run."),
]
BuilderOption = Annotated[
    str | None,
    _own_model(
        "--builder", metavar="FILE.py:FUNCTION", help="Function that makes your model, if it is subclassed. It is run."
    ),
]
NumModelsOption = Annotated[
    int, _models("--num-models", min=1, metavar="N", help="Models of each method, each with a seed of its own.")
]
OriginalsOption = Annotated[
    int, _models("--originals", min=1, metavar="N", help="Trained originals; --num-models are made from each.")
]
SetOption = Annotated[
    list[str] | None,
    _models(
        "--set",
        metavar="METHOD.NAME=VALUE",
        help="A hyper-parameter, such as scrub.alpha=0.9. Can be given repeatedly.",
    ),
]
SeedOption = Annotated[int, _models("--seed", min=0, metavar="N", help="Seed of the models' random numbers.")]
FreshOracleOption = Annotated[
    bool, _models("--fresh-oracle", help="Retrain, even where retrained models come with the kit.")
]
PrecisionOption = Annotated[
    str,
    _models(
        "--precision",
        metavar="NAME",
        help="Number format used in training: float32, tf32, bfloat16 or float16.",
        autocompletion=completion.among("float32", "tf32", "bfloat16", "float16"),
    ),
]
ThreadsOption = Annotated[
    int | None,
    _models(
        "--threads",
        min=1,
        metavar="N",
        help="Threads per model. Default: 1; more are faster, but change results slightly.",
    ),
]
BackendOption = Annotated[
    str | None,
    _places(
        "--backend",
        metavar="tensorflow|jax",
        help="Backend of Keras. Default: tensorflow, or jax on an accelerator, where it can make many models at once.",
        autocompletion=completion.among("tensorflow", "jax"),
    ),
]
WorkersOption = Annotated[
    int | None,
    _places("--workers", min=1, metavar="N", help="Models that are made at the same time. Default: one a core."),
]
EngineOption = Annotated[
    str | None,
    _places(
        "--engine",
        metavar="NAME",
        help="serial, processes, ray, or stacked: many models in one computation on JAX, with slightly different "
        "results; the default where there is an accelerator.",
        autocompletion=completion.among("serial", "processes", "ray", "stacked"),
    ),
]
AddressOption = Annotated[
    str | None, _places("--address", metavar="HOST:PORT", help="A Ray cluster's; 'auto' is this machine's.")
]
GpusOption = Annotated[
    float,
    _places("--gpus-per-worker", min=0.0, metavar="SHARE", help="With ray: at 0.5, two models share a graphics card."),
]
SandboxOption = Annotated[
    bool | None,
    _files(
        "--sandbox/--no-sandbox", help="Run files in bubblewrap (Linux): no network, no home. Default: where it works."
    ),
]
TimeLimitOption = Annotated[
    float | None, _files("--time-limit", min=1.0, metavar="SECONDS", help="End a call that takes more CPU seconds.")
]
MemoryLimitOption = Annotated[
    float | None, _files("--memory-limit", min=1.0, metavar="GIB", help="End a call that takes more memory.")
]
ExplainOption = Annotated[
    bool, _output("--explain", help="Also say what each column is, why values are missing, and what they mean.")
]
OutOption = Annotated[Path, _output("--out", metavar="DIR", help="Folder of runs, reports and pages.")]
JsonOption = Annotated[
    Path | None, _output("--json", metavar="FILE", help="Also write the result as JSON; '-' writes to the output.")
]
QuietOption = Annotated[
    bool, _output("--quiet", "-q", callback=_be_quiet, help="No progress: only results, warnings and errors.")
]
DebugOption = Annotated[bool, _output("--debug", help="Show tracebacks and TensorFlow's log.")]


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
