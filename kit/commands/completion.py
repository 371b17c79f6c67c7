"""What the Tab key offers: names, from lists that need neither TensorFlow nor NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kit import methods


def method_names(incomplete: str) -> list[str]:
    """Returns the methods whose names begin with `incomplete`; files of one's own are the shell's to complete.

    Example:
        >>> method_names("fine")
        ['finetune']
    """
    return _beginning_with(incomplete, methods.names())


def challenge_names(incomplete: str) -> list[str]:
    """Returns the challenges whose names begin with `incomplete`.

    Example:
        >>> challenge_names("noisy")
        ['noisy-digits']
    """
    from kit.challenges import catalogue

    return _beginning_with(incomplete, catalogue.names())


def data_set_names(incomplete: str) -> list[str]:
    """Returns the published data sets whose names begin with `incomplete`."""
    from kit.datasets.registry import DATA_SETS

    return _beginning_with(incomplete, DATA_SETS)


def among(*names: str) -> Callable[[str], list[str]]:
    """Returns a completion from a few fixed words.

    Example:
        >>> among("tensorflow", "jax")("t")
        ['tensorflow']
    """

    def complete(incomplete: str) -> list[str]:
        return _beginning_with(incomplete, names)

    return complete


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
