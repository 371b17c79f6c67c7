"""How a forget set is asked for, as a text: its kind and its argument."""

from __future__ import annotations

# Forget sets that a seed draws.
DRAWN_SPLITS = ("random", "stratified")
FORGET_KINDS = (*DRAWN_SPLITS, "class", "group", "mislabelled")


def forget_form(name: str) -> tuple[str, str]:
    """Returns the kind of a forget set and its argument, from how it was asked for.

    Example:
        >>> forget_form("class:3,5"), forget_form("mislabelled"), forget_form("my rows.npy")
        (('class', '3,5'), ('mislabelled', ''), ('rows', 'my rows.npy'))
    """
    kind, _, argument = name.partition(":")
    return (kind, argument) if kind in FORGET_KINDS else ("rows", name)
