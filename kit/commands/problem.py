"""What is to be forgotten, of which model: the options that `kit run`, `validate`, `pack` and `check-pack` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.types import Challenge, ModelOptions


@dataclass(frozen=True)
class Problem:
    """The arguments of `kit.challenges.loading.load`, as they were typed."""

    name_or_path: str
    forget: str | None
    split_seed: int
    model: str | None
    weights: Path | None
    precision: str
    options: ModelOptions

    def check(self) -> None:
        """Checks names and files before anything large is imported.

        Raises:
            InputError: an unknown name, or a file that is not there.
        """
        from kit import challenges

        challenges.check_request(
            self.name_or_path,
            forget=self.forget,
            model=self.model,
            weights=self.weights,
            precision=self.precision,
            options=self.options,
        )

    def load(self, announce: Callable[[str], None]) -> Challenge:
        """Loads the challenge; `announce` is told what was assumed."""
        from kit.challenges import loading

        return loading.load(**vars(self), announce=announce)
