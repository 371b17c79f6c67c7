"""What every family of scores owes: declared names, pure functions of arrays, repeatable, explained."""

from __future__ import annotations

import ast
import copy
import dataclasses
import functools
import inspect
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from retrainings import taking

from kit import scorers
from kit.types import PARTS, Comparison, Outputs, Score

HELPERS = sorted(Path(scorers.__file__).parent.glob("_[a-z]*.py"))
FAMILIES = pytest.mark.parametrize(
    "family", scorers.families(), ids=[family.__name__.rpartition(".")[2] for family in scorers.families()]
)
STANDARD = ("__future__", "collections", "concurrent", "dataclasses", "functools", "typing", "warnings")
SIZES = {"retain": 61, "forget": 37, "validation": 29, "test": 53}
PAIRS = 31


def population(generator: np.random.Generator, method: str, models: int, **labels: np.ndarray) -> Outputs:
    logits = {part: 2 * generator.normal(size=(models, SIZES[part], 4)) for part in PARTS}
    for part in PARTS:  # a model that knows something, so that no score sits at a corner
        logits[part][:, np.arange(SIZES[part]), labels[part]] += 1
    return Outputs.of_logits(method, logits, labels, seconds=generator.uniform(1, 2, models), seeds=np.arange(models))


def make_comparison(seed: int = 0, impossible: str = "") -> Comparison:
    """Chance outputs; members and non-members are part of the forget and of the test set, in no order."""
    generator = np.random.default_rng(seed)
    labels = {part: generator.integers(0, 4, SIZES[part]) for part in PARTS}
    pairs = 0 if impossible else PAIRS
    return Comparison(
        population(generator, "method", 2, **labels),
        population(generator, "retrain", 2, **labels),
        generator.permutation(SIZES["forget"])[:pairs],
        generator.permutation(SIZES["test"])[:pairs],
        impossible,
        reference=taking(7.0),
    )


def arrays_of(comparison: Comparison) -> dict[str, np.ndarray]:
    """Every array that a scorer can reach."""
    actual = {"members": comparison.members, "nonmembers": comparison.nonmembers}
    for side in ("unlearned", "retrained"):
        outputs: Outputs = getattr(comparison, side)
        actual |= {f"{side} seconds": outputs.seconds, f"{side} seeds": outputs.seeds}
        for kind in ("confidences", "correct", "logits"):
            actual |= {f"{side} {kind} {part}": getattr(outputs, kind)[part] for part in PARTS}
        actual |= {f"{side} labels {part}": outputs.labels[part] for part in PARTS}
    return actual


def reordered(comparison: Comparison, seed: int) -> Comparison:
    """The same comparison with the examples of each part in another order, members and non-members followed up."""
    generator = np.random.default_rng(seed)
    orders = {part: generator.permutation(SIZES[part]) for part in PARTS}

    def follow(outputs: Outputs) -> Outputs:
        return dataclasses.replace(
            outputs,
            confidences={part: outputs.confidences[part][:, orders[part]] for part in PARTS},
            correct={part: outputs.correct[part][:, orders[part]] for part in PARTS},
            logits={part: outputs.logits[part][:, orders[part]] for part in PARTS},
            labels={part: outputs.labels[part][orders[part]] for part in PARTS},
        )

    return dataclasses.replace(
        comparison,
        unlearned=follow(comparison.unlearned),
        retrained=follow(comparison.retrained),
        members=np.argsort(orders["forget"])[comparison.members],
        nonmembers=np.argsort(orders["test"])[comparison.nonmembers],
    )


@functools.cache
def scores_of(family: ModuleType, seed: int = 0, impossible: str = "") -> tuple[Score, ...]:
    return tuple(family.score(make_comparison(seed, impossible)))


def same(first: float | None, second: float | None) -> bool:
    """Equal to 1e-12, or both None."""
    return first is second if first is None or second is None else abs(first - second) <= 1e-12


def test_families_are_the_files_of_the_folder_and_names_are_unique() -> None:
    folder = Path(scorers.__file__).parent
    files = {path.stem for path in folder.iterdir() if path.suffix == ".py" and path.stem[0] != "_"}
    assert [family.__name__ for family in scorers.families()] == [f"kit.scorers.{name}" for name in sorted(files)]
    declared = [info.name for family in scorers.families() for info in family.SCORES]
    assert scorers.names() == tuple(declared)
    assert [info.name for info in scorers.infos()] == declared
    assert len(set(declared)) == len(declared)
    assert list(scorers.score_all(make_comparison(impossible="no reason"))) == declared


@FAMILIES
@pytest.mark.parametrize("impossible", ["", "class 3 is forgotten altogether"])
def test_declared_and_returned_scores_are_the_same(family: ModuleType, impossible: str) -> None:
    returned = scores_of(family, impossible=impossible)
    assert [(score.name, score.direction) for score in returned] == [
        (info.name, info.direction) for info in family.SCORES
    ]
    assert all(info.explanation for info in family.SCORES)
    for score in returned:
        assert (score.value is None) == bool(score.reason), score.name
        numbers = [score.value, score.stderr, score.target, *(score.null_band or ())]
        assert all(type(number) is float and math.isfinite(number) for number in numbers if number is not None)
        if score.value is not None:
            assert score.stderr is not None, score.name  # two models were given
            assert score.stderr > 0, score.name
            assert score.target is not None or score.direction != "match_retrain", score.name


@FAMILIES
def test_inputs_are_left_alone_and_the_same_call_gives_the_same_numbers(family: ModuleType) -> None:
    comparison = make_comparison()
    for array in arrays_of(comparison).values():  # lift the protection: a scorer must not need it
        owner: Any = array
        while owner.base is not None:
            owner = owner.base
        owner.setflags(write=True)
        array.setflags(write=True)
    before = copy.deepcopy(arrays_of(comparison))
    first = scores_of(family)
    np.random.seed(int(np.random.default_rng().integers(1 << 30)))
    assert tuple(family.score(comparison)) == first
    for name, array in arrays_of(comparison).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


@FAMILIES
def test_the_order_of_the_examples_does_not_matter(family: ModuleType) -> None:
    changed = reordered(make_comparison(), seed=1)
    assert not np.array_equal(make_comparison().members, changed.members)
    for score, other in zip(scores_of(family), family.score(changed), strict=True):
        assert (score.name, score.direction, score.reason) == (other.name, other.direction, other.reason)
        assert same(score.value, other.value), score
        assert same(score.stderr, other.stderr), score
        assert same(score.target, other.target), score
        for bound, other_bound in zip(score.null_band or (), other.null_band or (), strict=True):
            assert same(bound, other_bound), score


@FAMILIES
def test_the_order_of_members_matters_to_no_score_but_one(family: ModuleType) -> None:
    """`mia_accuracy` deals the examples to its ten splits by their position, the other attacks see a set."""
    comparison = make_comparison()
    turned = dataclasses.replace(comparison, members=comparison.members[::-1], nonmembers=comparison.nonmembers[::-1])
    for score, other in zip(scores_of(family), family.score(turned), strict=True):
        if score.name != "mia_accuracy":
            assert same(score.value, other.value), score
            assert same(score.target, other.target), score


@FAMILIES
def test_other_outputs_give_other_numbers(family: ModuleType) -> None:
    """Or, of a lower bound that is 0 where there is nothing to find, other standard errors."""
    for score, other in zip(scores_of(family), scores_of(family, seed=1), strict=True):
        bounds = score.value == other.value == 0 and score.stderr != other.stderr
        assert score.value != other.value or score.value is None or bounds, score


def imports(source: str) -> set[str]:
    """All modules that a source names, inside functions too; `from kit import types` is kit.types."""
    names_of_scores = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names_of_scores |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names_of_scores |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            assert called not in ("__import__", "import_module")
    return names_of_scores


def test_the_search_for_imports_finds_them() -> None:
    source = "import keras.ops as o\ndef f():\n    from tensorflow import math\n    from kit.runs import run\n"
    assert imports(source) == {"keras.ops", "tensorflow.math", "kit.runs.run"}


FILES = [Path(str(family.__file__)) for family in scorers.families()] + HELPERS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_family_and_no_helper_imports_keras_or_tensorflow(path: Path) -> None:
    for name in imports(path.read_text(encoding="utf-8")):
        package, _, rest = name.partition(".")
        assert package in (*STANDARD, "joblib", "numpy", "scipy", "sklearn", "kit"), name
        # the other modules of the kit load Keras or may come to do so
        assert package != "kit" or rest.startswith(("types", "rules.", "scorers.")), name


@FAMILIES
def test_every_public_function_has_a_docstring(family: ModuleType) -> None:
    functions = {
        name: function
        for name, function in inspect.getmembers(family, inspect.isfunction)
        if function.__module__ == family.__name__ and not name.startswith("_")
    }
    assert "score" in functions
    assert [name for name, function in functions.items() if not (function.__doc__ or "").strip()] == []
    assert (family.__doc__ or "").strip()


# The functions by name


PUBLIC = sorted(
    set(dir(scorers)) - {"families", "infos", "names", "refused", "score_all"} - {path.stem for path in FILES}
)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_function_is_handed_on_by_name(name: str) -> None:
    function = getattr(scorers, name)
    assert inspect.isfunction(function)
    assert (function.__doc__ or "").strip()
    assert any(vars(family).get(name) is function for family in scorers.families())


def test_the_functions_of_the_families_are_all_handed_on() -> None:
    assert len(dir(scorers)) == len(set(dir(scorers)))
    for name in ("example_epsilons", "forgetting_score", "membership_auc", "mia_accuracy", "tug_of_war", "rmia_scores"):
        assert name in PUBLIC
    for family in scorers.families():
        for name, function in inspect.getmembers(family, inspect.isfunction):
            if function.__module__ == family.__name__ and not name.startswith("_") and name != "score":
                shown = getattr(scorers, name)
                assert shown is function or shown is family, name  # a family's own name is the module


def test_a_name_that_two_families_share_would_be_ambiguous() -> None:
    defined = [
        name
        for family in scorers.families()
        for name, function in inspect.getmembers(family, inspect.isfunction)
        if function.__module__ == family.__name__ and not name.startswith("_") and name != "score"
    ]
    assert len(defined) == len(set(defined))


@pytest.mark.parametrize("name", ["example_epsilon", "_checked", "score", "scipy"])
def test_other_names_are_not_there(name: str) -> None:
    assert not hasattr(scorers, name)


def test_importing_the_package_imports_no_scipy() -> None:
    code = "import sys, kit.scorers; from kit.scorers import forgetting_score; print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
