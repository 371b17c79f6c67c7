"""Weights that a training starts from, where they were not drawn: of a model that was trained elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kit.types.errors import InputError

_SUFFIXES = (".keras", ".weights.h5")
_HEX_DIGITS = 64


@dataclass(frozen=True)
class StartWeights:
    """The file that models which are trained anew start from, in all layers or in some.

    Args:
        path: of a `.keras` or `.weights.h5` file: of the whole model before its training, or of a part of it, such as a
            published base. In the recipe of a `kit.Challenge` it is the file's name alone.
        sha256: hex digest of the file, which is checked; by default whatever the file has.
        layers: names of the layers that start from it, a nested model's for all of its layers; by default all.
        drawn: names of layers that do not, and are drawn anew, where all others start from it.

    Raises:
        InputError: a file of another kind, no digest, or both `layers` and `drawn`.

    Example:
        >>> StartWeights("base.keras", layers=["mobilenet"]).layers
        ('mobilenet',)
    """

    path: str | Path
    sha256: str = ""
    layers: Sequence[str] = field(default=())
    drawn: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        for name in ("layers", "drawn"):
            names = getattr(self, name)
            if isinstance(names, str) or not all(isinstance(layer, str) for layer in names):
                raise self._unsound(f"{name} = {names!r:.60}")
            object.__setattr__(self, name, tuple(names))
        if not str(self.path).endswith(_SUFFIXES):
            raise self._unsound(f"the file {str(self.path)!r}")
        sound = isinstance(self.sha256, str) and {*self.sha256} <= {*"0123456789abcdef"}
        if not sound or len(self.sha256) not in (0, _HEX_DIGITS):
            raise self._unsound(f"sha256 = {self.sha256!r:.80}")
        if self.layers and self.drawn:
            raise self._unsound(f"layers = {self.layers!r:.60} and drawn = {self.drawn!r:.60}")
        object.__setattr__(self, "path", str(self.path))

    @staticmethod
    def _unsound(reason: str) -> InputError:
        return InputError(
            f"The weights to start from are given by {reason}. Expected a .keras or .weights.h5 file, its sha256 in 64 "
            "hexadecimal digits or none, and a list of names of layers at most: 'layers' that start from it, or those "
            "that are 'drawn' anew. Correct it in the recipe's section [start]."
        )
