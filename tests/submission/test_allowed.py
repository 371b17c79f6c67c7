"""What of the kit a submission may use: the copy beside its process is whole, and leads to nothing else."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import kit
from kit.submission import allowed

ROOMS = sorted(path.parent.name for path in Path(kit.__file__).parent.glob("*/__init__.py"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    allowed.copy_beside(folder)
    return folder


def imported(tree: ast.AST) -> Iterator[str]:
    """Yields the parts of the kit that a module imports when it runs, each as a possible module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("kit."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "kit":
            for alias in node.names:
                whole = f"kit/{node.module}/{alias.name}".replace("kit/kit", "kit").replace(".", "/")
                package = Path(kit.__file__).parents[1]
                is_module = (package / f"{whole}.py").exists() or (package / whole).is_dir()
                yield f"{node.module}.{alias.name}" if is_module else str(node.module)
        yield from imported(node)


def test_what_the_copy_imports_lies_in_the_copy(copy: Path) -> None:
    missing = []
    for path in sorted(copy.rglob("*.py")):
        for name in imported(ast.parse(path.read_text())):
            module = copy / name.replace(".", "/")
            if name != "kit" and not module.with_suffix(".py").is_file() and not (module / "__init__.py").is_file():
                missing.append(f"{path.relative_to(copy)} imports {name}")
    assert missing == []


def test_no_room_with_data_runs_or_scores_is_copied(copy: Path) -> None:
    rooms = {path.name for path in (copy / "kit").iterdir() if path.is_dir()}
    assert rooms - {"__pycache__"} == {"machine", "models", "storage", "submission", "tasks", "toolbox", "types"}
    sources = set(copy.rglob("*.py"))
    others = [path for path in copy.rglob("*") if path.is_file() and path not in sources]
    assert [path for path in others if Path(importlib.util.source_from_cache(path)) not in sources] == []


@pytest.mark.skipif(sys.dont_write_bytecode, reason="Python was told to write no bytecode")
def test_bytecode_comes_along_and_is_taken_for_that_of_the_copy(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = copy / "kit" / "submission" / "allowed.py"
    loader = importlib.machinery.SourceFileLoader("allowed", str(source))
    monkeypatch.setattr(loader, "source_to_code", lambda *_, **__: pytest.fail("It is compiled anew."))
    assert loader.get_code("allowed").co_filename == str(source)
    source.write_text(source.read_text() + "\n")
    with pytest.raises(pytest.fail.Exception, match="anew"):
        loader.get_code("allowed")


@pytest.mark.parametrize("room", ROOMS)
def test_two_rooms_may_be_imported(room: str) -> None:
    assert allowed.is_allowed(f"kit.{room}") == (room in {"toolbox", "types"})
    assert allowed.is_allowed(f"kit.{room}.anything") == (room in {"toolbox", "types"})


@pytest.mark.parametrize("name", sorted(kit.__all__))
def test_a_public_name_is_judged_by_where_it_stands(name: str) -> None:
    home = (kit._HOME_OF | kit._MODULES)[name]
    assert allowed.is_allowed(f"kit.{name}") == (home.partition(".")[0] in {"toolbox", "types"})


def test_what_is_not_of_the_kit_is_another_checks_business() -> None:
    assert allowed.is_allowed("keras.datasets")
    assert allowed.is_allowed("kitchen.challenges")
    assert not allowed.is_allowed("kit.methods.sisa")
    assert allowed.is_allowed("kit.methods.sisa.unlearning", beside=("kit.methods.sisa",))


@pytest.mark.parametrize(
    "name",
    ["sklearn.datasets", "sklearn.datasets._base", "keras.datasets.mnist", "keras.src.datasets", "torchvision.datasets",
     "tensorflow_datasets", "datasets"],
)  # fmt: skip
def test_in_the_place_of_data_sets_is_a_module_that_refuses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if not Path(folder, "datasets").is_dir()])
    specification = allowed.OnlyTheCopy.find_spec(name)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    with pytest.raises(ModuleNotFoundError, match=re.escape(f"no '{name}.load' beside a submission")):
        _ = module.load
    assert not hasattr(module, "__file__")  # what Python asks of every module is answered


def test_a_helper_may_have_the_name_of_a_package_of_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datasets.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert allowed.OnlyTheCopy.find_spec("datasets") is None
    assert allowed.OnlyTheCopy.find_spec("sklearn.datasets") is not None


def test_data_sets_that_are_imported_are_taken_away() -> None:
    names = ("keras", "keras.datasets", "keras.datasets.mnist", "keras.layers")
    modules = {name: ModuleType(name) for name in names}
    kept = modules["keras.layers"]
    allowed.hide_data_sets(modules)
    assert modules["keras.layers"] is kept
    assert modules["keras"].datasets is modules["keras.datasets"]
    with pytest.raises(ModuleNotFoundError, match=r"no 'keras\.datasets\.mnist\.load_data' beside"):
        _ = modules["keras"].datasets.mnist.load_data


def test_the_finder_knows_the_kit_alone() -> None:
    assert allowed.OnlyTheCopy.find_spec("keras.layers") is None
    assert allowed.OnlyTheCopy.find_spec("kit") is None
    spec = allowed.OnlyTheCopy.find_spec("kit.types", kit.__path__)
    assert spec is not None
    assert spec.origin == sys.modules["kit.types"].__file__
    with pytest.raises(ModuleNotFoundError, match=r"no 'kit.nowhere' beside a submission. Expected kit.toolbox or"):
        allowed.OnlyTheCopy.find_spec("kit.nowhere", kit.__path__)
