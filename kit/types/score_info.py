"""What a scorer declares of each of its scores; whatever shows scores reads it here."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal, get_args

from kit.types.errors import InputError

# A difference of fewer standard errors than this is called "inside the noise".
NOISE = 2.0

Direction = Literal["up", "down", "match_retrain"]
TableName = Literal["runs", "populations", "attacks", "distances", "other"]
# Of a heading that is made from a score's name, in characters.
_HEADING_WIDTH = 12


@dataclass(frozen=True)
class ScoreInfo:
    """What a score is called, which way is better, and how it is shown; whatever shows scores reads it here.

    Args:
        name: in lower case with underscores; unique.
        direction: `up` or `down` for the better values, or `match_retrain` where the retrained models define them.
        explanation: one line that tells a newcomer what the score says.
        relative: it is a distance to the retrained models, and says nothing of a single retrained one.
        heading: of its column, with a line break where it goes on below; by default made from the name.
        table: in which it stands: `runs` is shown for single runs too, the others for populations only, and `other`,
            where nothing else is declared, for both.
        column: the columns of a table stand in the order of these numbers, and equal ones in that of the families.
        digits: after the decimal point.
        signed: a positive value is shown with its sign.
        optional: it does not apply to most forget sets, so where it has no value in any row, nothing is said of it.
        rank: methods are ranked by the score with the lowest number that any of them has; by None never.

    Raises:
        InputError: a direction or table that there is not, or a name that is no identifier.

    Example:
        >>> ScoreInfo("agreement", "up", "how often both say the same").title
        'agreement'
    """

    name: str
    direction: Direction
    explanation: str
    relative: bool = False
    heading: str = ""
    table: TableName = "other"
    column: int = 50
    digits: int = 3
    signed: bool = False
    optional: bool = False
    rank: int | None = None

    def __post_init__(self) -> None:
        directions, tables = get_args(Direction), get_args(TableName)
        if self.direction not in directions or self.table not in tables or not self.name.isidentifier():
            raise InputError(
                f"The score '{self.name}' was declared with the direction '{self.direction}' and the table "
                f"'{self.table}'. Expected an identifier, a direction of {', '.join(directions)} and a table of "
                f"{', '.join(tables)}. Correct the ScoreInfo in the scorer's SCORES."
            )

    @property
    def lines(self) -> str:
        """The heading of the score's column, with a line break where it goes on below."""
        return self.heading or textwrap.fill(self.name.replace("_", " "), _HEADING_WIDTH)

    @property
    def title(self) -> str:
        """The heading in one line."""
        return self.lines.replace("\n", " ").strip()
