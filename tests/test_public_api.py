"""The public names: all there, all documented, and cheap to import."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import kit
from kit import types

PACKAGE = Path(kit.__file__).resolve().parent
CHECKOUT = PACKAGE.parent
# Processes of the kit among themselves; what a stranger's code returns never comes this way.
ENGINE_FILES = {"engines/worker.py", "engines/processes.py", "submission/entry.py", "machine/quiet.py"}
SOURCES = sorted(PACKAGE.rglob("*.py"))
PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted(CHECKOUT.glob("docs/*.md"))]
HEAVY = ("tensorflow", "keras", "numpy", "scipy", "sklearn", "matplotlib", "tqdm", "rich", "typer")


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=clean_environment() | environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS_"))}


def test_the_names_are_sorted_and_each_stands_once() -> None:
    assert list(kit.__all__) == sorted(set(kit.__all__))


@pytest.mark.parametrize("name", kit.__all__)
def test_a_public_name_resolves_and_is_documented(name: str) -> None:
    documentation = inspect.getdoc(getattr(kit, name))
    assert documentation
    assert len(documentation.splitlines()[0]) >= 20
    assert not documentation.startswith(f"{name}(")  # what a dataclass without a docstring is given


@pytest.mark.parametrize("name", [name for name in kit.__all__ if inspect.isfunction(getattr(kit, name))])
def test_the_parameters_and_the_result_of_a_public_function_are_typed(name: str) -> None:
    signature = inspect.signature(getattr(kit, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values())


@pytest.mark.parametrize("name", [name for name in kit.__all__ if inspect.isclass(getattr(kit, name))])
def test_public_methods_and_properties_are_documented(name: str) -> None:
    for member_name, member in vars(getattr(kit, name)).items():
        if not member_name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert inspect.getdoc(member), member_name


def test_type_checkers_see_each_public_name_where_it_is() -> None:
    """Names are imported when first used: what mypy, pyright and editors read stands beside that, in a block."""
    block = next(node for node in ast.parse((PACKAGE / "__init__.py").read_text()).body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: (node.module, alias.name) for node in imports for alias in node.names}
    assert sorted(map(str, seen)) == list(kit.__all__)
    for name, (module, origin) in seen.items():
        assert module is not None
        expected = importlib.import_module(module)
        value = getattr(expected, origin, None) or importlib.import_module(f"{module}.{origin}")
        assert getattr(kit, str(name)) is value


@pytest.mark.slow
def test_mypy_knows_what_public_names_are(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import kit\n"
        "challenge: int = kit.load_challenge()\n"
        "kit.load_challenge(splt_seed=3)\n"
        "report = kit.evaluate('finetune', kit.load_challenge())\n"
        "report.scores['mia_gap'].valu\n"
        "kit.evaluate_everything\n"
    )
    command = [sys.executable, "-m", "mypy", str(tmp_path / "mine.py")]  # with what 'make check' keeps of the kit
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)
    for words in ('expression has type "Challenge"', "splt_seed", '"Score" has no attribute "valu"'):
        assert words in done.stdout
    assert 'Module has no attribute "evaluate_everything"' in done.stdout


def test_dir_shows_the_public_names_and_nothing_else() -> None:
    assert dir(kit) == sorted(kit.__all__)


@pytest.mark.parametrize("name", ["load_chalenge", "Kit", "_secret", "tensorflow"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(AttributeError) as error:
        getattr(kit, name)
    message = str(error.value)
    assert f"'{name}'" in message
    for known in kit.__all__:
        assert known in message


def test_hasattr_and_star_import_work() -> None:
    assert not hasattr(kit, "nothing_of_the_kind")
    names: dict[str, object] = {}
    exec("from kit import *", names)
    assert set(kit.__all__) <= set(names)


def test_a_name_is_the_object_of_its_module() -> None:
    assert kit.Arrays is types.Arrays
    assert issubclass(kit.InputError, ValueError)
    assert issubclass(kit.FailedRun, RuntimeError)


def test_the_version_is_that_of_the_distribution() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", kit.__version__)
    assert importlib.metadata.version("unlearning-kit") == kit.__version__


def test_the_wheel_carries_every_room() -> None:
    listed = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    rooms = [path.parent.relative_to(CHECKOUT) for path in PACKAGE.rglob("__init__.py")]
    assert sorted(listed) == sorted([*(".".join(room.parts) for room in rooms), "kit.data"])


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


# Importing


def loaded_after(code: str) -> set[str]:
    return set(run_python(f"{code}\nimport sys; print(*sys.modules)").split())


def test_importing_the_kit_imports_nothing_heavy() -> None:
    loaded = loaded_after("import kit; dir(kit); kit.__all__")
    assert loaded.isdisjoint(HEAVY)
    assert sorted(name for name in loaded if name.startswith("kit.")) == ["kit.machine", "kit.machine.threads"]


@pytest.mark.parametrize(
    "use",
    ["kit.Arrays", "kit.Recipe", "kit.methods.names()", "kit.scorers.infos()", "kit.challenges.names()", "kit.report"],
)
def test_what_needs_no_model_loads_no_tensorflow(use: str) -> None:
    assert loaded_after(f"import kit; {use}").isdisjoint({"tensorflow", "keras"})


def test_the_kit_asks_tensorflow_for_one_thread() -> None:
    printed = run_python(
        "import kit, os; print(os.environ['TF_NUM_INTRAOP_THREADS'], os.environ['TF_NUM_INTEROP_THREADS'])",
        TF_NUM_INTRAOP_THREADS="7",
    )
    assert printed.split() == ["1", "1"]


def test_importing_the_kit_leaves_random_states_and_warnings_alone() -> None:
    code = (
        "import random, warnings\n"
        "before = random.getstate(), list(warnings.filters)\n"
        "import kit\n"
        "assert (random.getstate(), list(warnings.filters)) == before"
    )
    run_python(code)


# Sources


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_tensorflows_own_interface_stays_in_one_folder(path: Path) -> None:
    """But for the file that looks for these names in a submission's text."""
    if path.parent != PACKAGE / "toolbox" / "_tensorflow" and path != PACKAGE / "submission" / "backends.py":
        assert not re.search(r"tf\.function|GradientTape", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_source_unpickles_or_evaluates(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if (
        path.relative_to(PACKAGE).as_posix() in ENGINE_FILES
    ):  # what the kit's own processes hand each other, never a stranger's bytes
        text = re.sub(r"pickle\.loads?\(.*noqa: S301 \(", "", text)
    if path == PACKAGE / "models" / "user_files.py":  # an inspected file in the mode that runs no code; a trusted one
        text = text.replace("load_model(checked, compile=False, safe_mode=True)", "", 1)
        text = text.replace("load_model(path, custom_objects=objects, compile=False, safe_mode=False)", "", 1)
    if path == PACKAGE / "models" / "custom.py":  # a file that the user names on the command line, to be run
        text = re.sub(r"exec\(.*noqa: S102 \(", "", text, count=1)
    assert not re.search(r"\bpickle\.load|allow_pickle=True|\beval\(|\bexec\(|load_model\(", text)
    for call in re.findall(r"np\.load\([^)]*\)", text):
        assert "allow_pickle=False" in call


def lines_of(name: str) -> list[str]:
    return (CHECKOUT / name).read_text(encoding="utf-8").splitlines()


def test_requirements_are_those_that_colab_and_kaggle_have() -> None:
    names = [re.split(r"[<>=!~\[;\s]", line)[0] for line in lines_of("requirements.txt") if line and line[0] != "#"]
    assert "tensorflow" in names
    assert "tensorflow-cpu" not in names
    assert len(names) == len(set(names))


def test_requirements_pin_nothing_to_one_version() -> None:
    lines = [line for line in lines_of("requirements.txt") if line and line[0] != "#"]
    assert not [line for line in lines if "==" in line]
    assert all(">=" in line for line in lines)


def test_nothing_claims_that_an_index_has_the_kit() -> None:
    """It is installed from a clone or a wheel: `pip install unlearning-kit` would install somebody else's, one day."""
    texts = [*SOURCES, *PAGES, *CHECKOUT.glob("notebooks/*.py")]
    claims = {
        path.name for path in texts if re.search(r"pip install[^\n]*[\s\"']unlearning-kit", path.read_text("utf-8"))
    }
    assert claims == set()


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(lines_of("README.md")) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith(("http", "mailto:"))]
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()}
    for link in links:
        path, _, anchor = link.partition("#")
        assert (page.parent / path).exists(), link
        assert path or anchor in headings, link


@pytest.mark.parametrize("page", [path for path in PAGES if path.name != "CHANGELOG.md"], ids=lambda path: path.name)
def test_pages_mention_only_names_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for chain in sorted(set(re.findall(r"\bkit\.((?:[A-Za-z_]+\.)*[A-Za-z_]+)", text)) - {"yaml"}):  # kit.yaml: a file
        value: object = kit
        for name in chain.split("."):
            if isinstance(value, ModuleType) and not hasattr(value, name):  # a module that nothing has imported yet
                with contextlib.suppress(ModuleNotFoundError):
                    importlib.import_module(f"{value.__name__}.{name}")
            assert hasattr(value, name), f"kit.{chain}"
            value = getattr(value, name)


def test_the_citation_names_the_version_and_the_licence() -> None:
    citation = dict(line.split(": ", 1) for line in lines_of("CITATION.cff") if re.match(r"[\w-]+: ", line))
    assert citation["version"] == kit.__version__
    assert citation["license"] == tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["license"]
