"""Which modules a command imports that only looks, or that refuses a wrong name: what a person waits for.

Their times are those of benchmarks/startup.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_helpers import environment

import kit
from kit.challenges import CHALLENGES
from kit.datasets.registry import DATA_SETS

# All that the commands' options are made of. What is added here, every command waits for.
IMPORTED_BY_HELP = {
    "kit",
    "kit.__main__",
    "kit.commands",
    "kit.commands.certify",
    "kit.commands.challenge",
    "kit.commands.compare",
    "kit.commands.convert",
    "kit.commands.problem",
    "kit.commands.grouped_help",
    "kit.commands.containment",
    "kit.commands.completion",
    "kit.commands.data",
    "kit.commands.describe",
    "kit.commands.doctor",
    "kit.commands.leaderboard",
    "kit.commands.leaks",
    "kit.commands.messages",
    "kit.commands.options",
    "kit.commands.pack",
    "kit.commands.pretrain",
    "kit.commands.report",
    "kit.commands.requests",
    "kit.commands.requests_run",
    "kit.commands.requests_serve",
    "kit.commands.requests_simulate",
    "kit.commands.runs",
    "kit.commands.settings",
    "kit.commands.submission",
    "kit.commands.tune",
    "kit.commands.unlearn",
    "kit.commands.verify",
    "kit.commands.engine_options",
    "kit.extensions",
    "kit.machine",
    "kit.machine.interrupts",
    "kit.machine.quiet",
    "kit.machine.startup",
    "kit.machine.search_path",
    "kit.machine.streams",
    "kit.machine.threads",
    "kit.methods",
    "kit.methods._facts",
    "kit.types",
    "kit.types.errors",
    "kit.types.model_options",
}
# Of the libraries that the kit asks for: the rest is theirs.
IMPORTS = {
    "--help": (IMPORTED_BY_HELP, {"typer"}),
    "list methods": (IMPORTED_BY_HELP, {"rich", "typer"}),
}
# What a wrong name adds to that, by what it names.
OF_A_METHOD = {
    "kit.storage",
    "kit.storage.files",
    "kit.storage.near_paths",
    "kit.submission",
    "kit.submission.contract",
    "kit.submission.importing",
    "kit.submission.source",
}
OF_METHODS = OF_A_METHOD | {"kit.scorers", "kit.submission.entry"}
OF_WEIGHTS = {
    "kit.storage",
    "kit.storage.files",
    "kit.storage.near_paths",
    "kit.models",
    "kit.models.file_names",
    "kit.models.torch",
    "kit.models.torch.pickle",
}
OF_DATA = {"kit.datasets", "kit.datasets.registry"}
OF_A_CHALLENGE = (
    OF_WEIGHTS
    | OF_DATA
    | {
        "kit.challenges",
        "kit.challenges.catalogue",
        "kit.challenges.checks",
        "kit.challenges.frames",
        "kit.challenges.joint",
        "kit.challenges.loading",
        "kit.challenges.model_options",
        "kit.challenges.output_labels",
        "kit.challenges.recipes",
        "kit.challenges.tables",
        "kit.challenges.user_data",
        "kit.challenges.user_model",
        "kit.types.data_columns",
        "kit.types.forget",
        "kit.types.loss_settings",
        "kit.types.recipe",
        "kit.types.start_weights",
    }
)
OF_AN_ENGINE = {"kit.engines", "kit.engines.engine", "kit.engines.worker", "kit.machine.environment", "kit.machine.xla"}
OF_A_RUN, OF_A_PACK = OF_METHODS | OF_A_CHALLENGE, OF_A_METHOD | OF_A_CHALLENGE | {"kit.contest", "kit.contest.mock"}

REFUSED = {
    "run finetun": ("Did you mean finetune", OF_METHODS),
    "run missing.py": ("There is no file 'missing.py'", OF_METHODS),
    "run --challenge noisy-digit": ("Did you mean noisy-digits", OF_A_RUN),
    "run --forget class:99": ("No training example has the class '99'", OF_A_RUN),
    "run --forget missing.npy": ("There is no file 'missing.npy'", OF_A_RUN),
    "run --forget missing.csv": ("There is no file 'missing.csv'", OF_A_RUN),
    "run --forget missing.npz": ("There is no file 'missing.npz'", OF_A_RUN),
    "run --forget sometimes": ("The forget set 'sometimes' is unknown", OF_A_RUN),
    "run --recipe missing.toml": ("There is no file 'missing.toml'", OF_A_RUN),
    "run --precision float8": ("no precision 'float8'", OF_A_RUN),
    "run --model resnet19": ("There is no model 'resnet19'", OF_A_RUN),
    "run --model missing.keras": ("There is no file 'missing.keras'", OF_A_RUN),
    "run --model net.h5": ("The model 'net.h5' is no .keras file", OF_A_RUN),
    "run --weights missing.weights.h5": ("There is no file 'missing.weights.h5'", OF_A_RUN),
    "evaluate finetun": ("Did you mean finetune", OF_METHODS),
    "evaluate finetune missing.py": ("There is no file 'missing.py'", OF_METHODS),
    "evaluate --challenge missing.npz": ("There is no file 'missing.npz'", OF_A_RUN),
    "evaluate --forget class:99": ("No training example has the class '99'", OF_A_RUN),
    "evaluate --engine thread": ("There is no engine 'thread'", OF_METHODS | OF_AN_ENGINE),
    "evaluate --backend torch": ("There is no backend 'torch'", OF_METHODS),
    "evaluate --backend tensorflow --engine stacked": ("with the backend 'tensorflow'", OF_METHODS),
    "run --backend torch": ("There is no backend 'torch'", OF_METHODS),
    "unlearn --model missing.keras --data x.npz --forget class:1 --output new.keras": (
        "There is no file 'missing.keras'",
        OF_A_CHALLENGE,
    ),
    "pack finetune --backend torch": ("There is no backend 'torch'", OF_A_METHOD),
    "leaderboard missing": (
        "There is no report in 'missing'",
        {"kit.storage", "kit.storage.files", "kit.storage.near_paths", "kit.storage.folders"},
    ),
    "report nowhere": (
        "There is no report in 'nowhere'",
        {"kit.storage", "kit.storage.files", "kit.storage.near_paths", "kit.storage.folders"},
    ),
    "tune finetun": ("Did you mean finetune", set()),
    "tune original": ("The method 'original' has no search space", set()),
    "tune finetune --challenge noisy-digit": ("Did you mean noisy-digits", OF_A_CHALLENGE),
    "leaks finetun": ("Did you mean finetune", set()),
    "leaks --challenge noisy-digit": ("Did you mean noisy-digits", OF_A_CHALLENGE),
    "certify here --method finetun": ("Did you mean finetune", set()),
    "certify here --challenge noisy-digit": ("Did you mean noisy-digits", OF_A_CHALLENGE),
    "requests simulate --policy sometimes": (
        "There is no policy 'sometimes'",
        {"kit.streams", "kit.streams.policies"},
    ),
    "requests list missing": (
        "There is no queue in 'missing'",
        {"kit.storage", "kit.storage.files", "kit.storage.near_paths", "kit.streams", "kit.streams.database"},
    ),
    "certify here --report missing.json": ("There is no file 'missing.json'", OF_A_CHALLENGE),
    "verify missing.json": (
        "There is no file 'missing.json'",
        {"kit.storage", "kit.storage.files", "kit.storage.near_paths"},
    ),
    "verify here.zip --key missing.pem": (
        "There is no file 'missing.pem'",
        {
            "kit.storage",
            "kit.storage.durable",
            "kit.storage.files",
            "kit.storage.near_paths",
            "kit.storage.locks",
            "kit.proofs",
            "kit.proofs.signatures",
        },
    ),
    "pretrain noisy-digit": ("Did you mean noisy-digits", OF_A_CHALLENGE),
    "explain finetun": ("Did you mean finetune", set()),
    "data mnis": ("Did you mean mnist", OF_DATA),
    "challenge new here": ("Expected --private", set()),
    "challenge new --private --from digit": ("Did you mean digits", OF_A_CHALLENGE),
    "list method": ("'method' is not one of", set()),
    "new finetune.py": ("'finetune' is the name of a built-in method", set()),
    "validate finetun": ("Did you mean finetune", OF_A_METHOD),
    "validate missing.py": ("There is no file 'missing.py'", OF_A_METHOD),
    "validate finetune --challenge noisy-digit": ("Did you mean noisy-digits", OF_A_METHOD | OF_A_CHALLENGE),
    "pack finetun": ("Did you mean finetune", OF_A_METHOD),
    "pack missing.py": ("There is no file 'missing.py'", OF_A_METHOD),
    "pack finetune --challenge noisy-digit": ("Did you mean noisy-digits", OF_A_PACK),
    "pack finetune --forget class:99": ("No training example has the class '99'", OF_A_PACK),
    "pack finetune --engine thread": ("There is no engine 'thread'", OF_A_METHOD | OF_AN_ENGINE),
    "check-pack missing.zip": (
        "There is no file 'missing.zip'",
        {"kit.storage", "kit.storage.files", "kit.storage.near_paths"},
    ),
    "check-pack here.zip --challenge noisy-digit": ("Did you mean noisy-digits", OF_A_CHALLENGE),
    "convert-weights missing.pth --model resnet18 --output new.keras": ("There is no file 'missing.pth'", OF_WEIGHTS),
    "convert-weights missing.pth --model resnet19 --output new.keras": ("'resnet19' has no counterpart", OF_WEIGHTS),
    "convert-weights here.zip --model resnet18 --output new.keras": ("The name 'here.zip'", OF_WEIGHTS),
    "convert-weights missing.pth --model resnet18 --output new.h5": ("The name 'new.h5'", OF_WEIGHTS),
}
COMMAND = """
import sys
from kit import __main__
try:
    __main__.main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
# Each in a fork of a process that has imported what `kit --help` does, and typer's own imports for reading options.
COMMANDS = """
import contextlib, io, json, os, sys
from kit import __main__

def refusal(command):
    sys.argv, error, code = ["kit", *command.split()], io.StringIO(), 0
    with contextlib.redirect_stderr(error):
        try:
            __main__.main()
        except SystemExit as ending:
            code = ending.code
    return {"code": code, "error": error.getvalue(), "modules": list(sys.modules)}

refusal("list nothing")
for command in json.load(sys.stdin):
    if not os.fork():
        print(json.dumps(refusal(command)), flush=True)
        os._exit(0)
    os.wait()
"""


@dataclass(frozen=True)
class Refusal:
    """How a command ended: its exit code, its error on one line, and all modules that it has imported."""

    code: int
    error: str
    modules: frozenset[str]


def imported(*arguments: str) -> set[str]:
    """Every module that `kit ARGUMENTS` imports."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        check=False,
    )
    assert done.returncode == 0
    return set(done.stderr.split())


def of_kit(modules: set[str] | frozenset[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] == "kit"}


@pytest.fixture(scope="module")
def libraries() -> set[str]:
    """The modules of the libraries that the kit asks for."""
    text = (Path(kit.__file__).parents[1] / "requirements.txt").read_text(encoding="utf-8")
    return {"sklearn" if name == "scikit-learn" else name for name in re.findall(r"^[\w-]+", text, re.MULTILINE)}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Refusal]:
    """How each command ends that is given a wrong name."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "here.zip").touch()
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps(list(REFUSED)),
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    contents = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(path.name for path in folder.iterdir()) == ["here.zip"]
    return {
        command: Refusal(content["code"], " ".join(content["error"].split()), frozenset(content["modules"]))
        for command, content in zip(REFUSED, contents, strict=True)
    }


@pytest.mark.parametrize(
    "arguments", [["--help"], *(["list", what] for what in ("challenges", "methods", "scorers", "runs"))]
)
def test_help_and_lists_load_no_tensorflow(arguments: list[str]) -> None:
    modules = imported(*arguments)
    assert "kit.types" in modules
    assert modules.isdisjoint({"tensorflow", "keras", "sklearn", "matplotlib.pyplot"})


@pytest.mark.parametrize("command", IMPORTS)
def test_what_help_and_the_list_of_methods_import(libraries: set[str], command: str) -> None:
    modules = imported(*command.split())
    assert (of_kit(modules), modules & libraries) == IMPORTS[command]


@pytest.mark.parametrize("command", REFUSED)
def test_a_wrong_name_is_refused_before_numpy_is_imported(
    refusals: dict[str, Refusal], libraries: set[str], command: str
) -> None:
    refusal, (says, modules) = refusals[command], REFUSED[command]
    assert refusal.code == 2
    assert says in refusal.error
    assert of_kit(refusal.modules) == IMPORTED_BY_HELP | modules
    assert refusal.modules & libraries == {"typer"} | ({"cloudpickle"} if modules >= OF_AN_ENGINE else set())


@pytest.mark.parametrize("name", CHALLENGES)
def test_a_challenge_has_the_classes_by_which_others_are_refused(name: str) -> None:
    preset = CHALLENGES[name]
    if preset.published:
        (data_set,) = (data_set for data_set in DATA_SETS.values() if data_set.title == preset.published)
        assert len(data_set.train_counts) == preset.num_classes
    else:
        assert set(kit.load_challenge(name).train.y.tolist()) == set(range(preset.num_classes))
