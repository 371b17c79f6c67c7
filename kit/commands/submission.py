"""The first commands of a participant's path: `kit new` and `kit validate`."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import kit
from kit import methods
from kit.commands import completion, messages, options
from kit.commands.containment import Limits, sandbox_for
from kit.commands.options import (
    BackendOption,
    BuilderOption,
    ChallengeOption,
    CustomObjectsOption,
    DebugOption,
    ForgetOption,
    IdColumnOption,
    JsonOption,
    MemoryLimitOption,
    ModelOption,
    OutputNameOption,
    PrecisionOption,
    QuietOption,
    RecipeOption,
    SandboxOption,
    SplitSeedOption,
    TaskOption,
    TimeLimitOption,
    WeightsOption,
)
from kit.commands.problem import Problem
from kit.machine import quiet
from kit.types import InputError, ModelOptions

SubmissionArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE|METHOD",
        help="Your file with a function 'unlearning', or one of 'kit list methods'.",
        autocompletion=completion.method_names,
    ),
]

_TEST = '''"""The checks of 'kit validate {file}', a line each: pytest -v {test}"""

from pathlib import Path

from kit.testing import parametrize_with_checks


@parametrize_with_checks([Path(__file__).with_name("{file}")])
def test_{method}(method, check):
    check(method)
'''


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, e.g. my_method.py.")],
    with_test: Annotated[bool, typer.Option("--with-test", help="Also write a test of it for pytest.")] = False,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a file with a method to start from.

    Examples:
        kit new my_method.py
        kit new my_method.py --with-test
    """
    test = file.with_name(f"test_{file.name}")
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
    for path in [file, test] if with_test else [file]:
        if path.exists():
            raise InputError(
                f"'{path}' exists already. Expected a new name, so that nothing is lost. Choose another one."
            )
    if _is_module(file.stem):
        raise InputError(
            f"'{file.stem}' is the name of a module, and Python would import '{file}' in its place. Expected another "
            f"name. Try {file.with_name(f'my_{file.name}')}."
        )
    options.require_writable(file.parent)
    file.parent.mkdir(parents=True, exist_ok=True)
    template = Path(kit.__file__).parent / "submission" / "template.py"  # not imported: it imports TensorFlow
    shutil.copyfile(template, file)
    if with_test:
        test.write_text(_TEST.format(file=file.name, method=file.stem, test=test.name), encoding="utf-8")
    written, check = (f"{file} and {test}", f"pytest -v {test}") if with_test else (file, f"kit validate {file}")
    typer.echo(f"Written: {written}. Next: '{check}', then 'kit run {file}'.")


def _is_module(name: str) -> bool:
    """Returns whether Python finds a module of this name; a folder without an __init__.py hides nothing."""
    if name in sys.stdlib_module_names or name in sys.modules:
        return True
    specification = importlib.util.find_spec(name)
    return specification is not None and specification.origin is not None


def validate(
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
    precision: PrecisionOption = "float32",
    backend: BackendOption = None,
    sandbox: SandboxOption = None,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Check a submission, a line a check, before any long run.

    Examples:
        kit validate my_method.py
        kit validate my_method.py --challenge digits --forget class:5
        kit validate my_method.py --challenge data.npz --model model.keras
    """
    from kit.commands.engine_options import check_backend

    limits = Limits(sandbox_for(file, sandbox), time_limit, memory_limit)
    check_backend(backend)
    options.prepare(None, debug, backend)
    options.require_writable_file(json_file)
    model_options = ModelOptions(recipe, id_column, task, custom_objects, builder, output=output_name)
    problem = Problem(challenge, forget, split_seed, model, weights, precision, model_options)
    problem.check()
    if not _examine(file, problem, limits, json_file, debug=debug):
        raise typer.Exit(1)


def _examine(file: str, problem: Problem, limits: Limits, json_file: Path | None, *, debug: bool) -> bool:
    """Runs the checks and shows each as soon as it is known; returns whether none failed."""
    from rich.console import Console

    console = Console(stderr=str(json_file) == "-", highlight=False)
    with quiet.quiet_tensorflow(debug):
        from kit.contest import validate as checks
        from kit.runs import timing
        from kit.submission import contained
    loaded = problem.load(messages.announcer())
    seconds = limits.time_limit or checks.time_limit(timing.reference(loaded).seconds)
    bounds = contained.Limits(seconds, limits.memory_bytes or contained.default_memory_bytes())

    def show(outcome: checks.Checked) -> None:
        messages.print_check(console, outcome.name, outcome.status, outcome.message)

    checked = checks.examine(file, loaded, sandboxed=bool(limits.sandboxed), limits=bounds, announce=show)
    failed = sum(outcome.status == "FAIL" for outcome in checked)
    warned = sum(outcome.status == "WARN" for outcome in checked)
    checks_failed = f"{failed} check{'s' * (failed > 1)} failed. Fix {'them' if failed > 1 else 'it'} before you submit"
    warnings = f", {warned} warning{'s' * (warned > 1)}" if warned else ""
    verdict = checks_failed if failed else f"ready{warnings}"
    console.print(f"\n{file}: {verdict}.", soft_wrap=True, markup=False)
    content: dict[str, Any] = {"file": file, "challenge": loaded.name, "ready": not failed}
    options.write_json(json_file, content | {"checks": [asdict(outcome) for outcome in checked]})
    return not failed
