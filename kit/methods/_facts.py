"""What a method's file states: kind, cost, data, source, differences, hyper-parameters. Read without TensorFlow."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kit import methods

if TYPE_CHECKING:
    from kit.types import Challenge

SECTIONS = ("Kind", "Cost", "Data", "Source", "Differences")
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: Mapping[str, Callable[..., float]] = {"min": min, "max": max, "ceil": math.ceil}


@dataclass(frozen=True)
class MethodFacts:
    """A method's docstring in its parts.

    Args:
        summary: the first line.
        kind: the family that it belongs to, as in the table of kinds.
        cost: passes over the data, as a formula of the method's hyper-parameters and of `retain`, `forget`,
            `validation` (numbers of examples), `classes`, `recipe_epochs` and `batch_size` (the challenge's, where the
            method has none of its own). A pass is what training on an example costs, forward and backward; a forward
            pass alone is a third.
        data: which of the three sets it touches.
        source: paper or repository.
        differences: from the source.
    """

    summary: str
    kind: str
    cost: str
    data: str
    source: str
    differences: str


def of_method(name: str) -> MethodFacts:
    """Returns what the docstring of a method states.

    Example:
        >>> facts = of_method("finetune")
        >>> facts.kind, facts.cost, facts.data
        ('tuning on retain', 'epochs * retain', 'retain')
    """
    return _parsed(methods.docstring(name))


def _parsed(docstring: str) -> MethodFacts:
    summary, *lines = docstring.splitlines()
    texts = dict.fromkeys(SECTIONS, "")
    section = ""
    for line in lines:
        title, colon, rest = line.partition(":")
        begins = bool(colon) and title in SECTIONS
        section = title if begins else section if line.strip() else ""
        if section:
            texts[section] = f"{texts[section]} {(rest if begins else line).strip()}".strip()
    return MethodFacts(summary, *(texts[name] for name in SECTIONS))


def hyperparameters(method: str) -> dict[str, Any]:
    """Returns the hyper-parameters of a method that are plain numbers, with their defaults.

    Example:
        >>> hyperparameters("gradient_ascent")
        {'epochs': 3, 'learning_rate': 0.01, 'momentum': 0.9}
    """
    defaults: dict[str, Any] = {}
    for function in ("unlearning", "pretraining"):
        node = methods.function(method, function)
        for argument, value in zip(*((node.args.kwonlyargs, node.args.kw_defaults) if node else ((), ())), strict=True):
            if isinstance(value, ast.Constant) and value.value is not None:
                defaults[argument.arg] = value.value
    return defaults


def passes(name: str, challenge: Challenge, settings: Mapping[str, object]) -> float:
    """Returns what a method is to cost on a challenge, in passes over single examples.

    Args:
        name: of a method.
        challenge: gives the numbers of examples, of classes and of the recipe's epochs.
        settings: all hyper-parameters of the method, by name.

    Raises:
        ValueError: the formula contains what is none of these.

    Example:
        >>> import kit
        >>> passes("finetune", kit.load_challenge(), {"epochs": 5})  # 5 * 1132
        5660.0
    """
    known: dict[str, float] = {"batch_size": challenge.batch_size}
    known |= {key: float(value) for key, value in settings.items() if isinstance(value, int | float)}
    known |= {"retain": len(challenge.split.retain), "forget": len(challenge.split.forget)}
    known |= {"validation": len(challenge.validation), "classes": challenge.num_classes}
    known["recipe_epochs"] = challenge.recipe.total_epochs
    return float(_value(ast.parse(of_method(name).cost, mode="eval").body, known))


def _value(node: ast.expr, known: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, known), _value(right, known))
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(argument, known) for argument in arguments))
    raise ValueError(
        f"The cost '{ast.unparse(node)}' cannot be computed. Expected numbers, + - * /, min, max, ceil, "
        f"hyper-parameters and {', '.join(sorted(known))}. Write the line 'Cost:' of the docstring with these."
    )
