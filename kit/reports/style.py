"""How pictures look: colours that the colour-blind tell apart, quiet axes, and names that are no mathematics.

The colours are those of Okabe and Ito (2008), less yellow, which is too light for lines on white. A page swaps the
three greys for its own, so that they suit a dark one too: they stand for the text, what is less important, and lines.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

INK, MUTED, GRID = "#1a1a1b", "#5f6063", "#d9d9da"
FORGET, TEST = "#d55e00", "#56b4e9"
NOTHING = "#cc79a7"  # what earns no points
LINES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
Dashes = str | tuple[int, tuple[int, ...]]
DASHES: tuple[Dashes, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))
NOISE_ALPHA = 0.18

_LONGEST_LABEL = 30
_MOST_ZEROS, _FEW_ZEROS, _RAISED = 4, 2, str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SETTINGS: dict[Any, Any] = {  # matplotlib's stubs want each key as a literal
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "axes.titlecolor": INK,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.5,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7.5,
}


@contextlib.contextmanager
def applied(salt: str = "kit") -> Iterator[None]:
    """Draws and saves in the kit's style within the block.

    Args:
        salt: of the names within an SVG file, by which its parts refer to each other: on one page each has its own.
    """
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS | {"svg.hashsalt": salt}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a method's name may be in any script
        yield


def line(number: int) -> tuple[str, Dashes]:
    """Returns the colour and the dashes of a curve: 36 that differ, of which neighbours differ in colour.

    Example:
        >>> line(0), line(6)
        (('#0072b2', '-'), ('#0072b2', '--'))
    """
    return LINES[number % len(LINES)], DASHES[number // len(LINES) % len(DASHES)]


def shown(name: str) -> str:
    """Returns the name of a method as a label: cut to what a picture has room for, and its dollars no mathematics.

    Example:
        >>> shown("a$b$"), len(shown("m" * 99))
        ('a\\\\$b\\\\$', 30)
    """
    label = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 3]}..."
    return label.replace("$", r"\$")


def powers(axis: XAxis | YAxis, low: float, high: float, *, step: int = 1) -> None:
    """Puts ticks at powers of ten, at every `step`-th; where one has many zeros, all get exponents but a few."""
    inside = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    chosen = [power for power in inside if power % step == 0]
    axis.set_major_locator(FixedLocator([10.0**power for power in chosen]))
    zeros = _MOST_ZEROS if all(abs(power) <= _MOST_ZEROS for power in chosen) else _FEW_ZEROS
    axis.set_major_formatter(FixedFormatter([_written(power, zeros) for power in chosen]))
    axis.set_minor_locator(NullLocator())


def _written(power: int, zeros: int) -> str:
    """Returns a power of ten as people write it, with an exponent where it has more than so many zeros."""
    return f"{10.0**power:g}" if abs(power) <= zeros else f"10{str(power).translate(_RAISED)}"


def percent(ax: Axes) -> None:
    """Writes shares as percent, at a few round ticks."""
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
