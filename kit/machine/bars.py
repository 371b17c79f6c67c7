"""Progress bars: after two seconds, one at a time, and only where somebody watches: none in a log file.

What is counted within something else, such as the epochs of one model of many, takes the other bar's line until it is
done: a notebook's output has no way back to the line above.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

_SECONDS_BEFORE, _SECONDS_BETWEEN = 2, 0.5


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    label: str,
    unit: str,
    total: int | None = None,
    done: int = 0,
    scaled: bool = False,
) -> tqdm:
    """Returns a bar of tqdm's on the error output, or a widget of a notebook that has ipywidgets.

    Args:
        iterable: what is gone over; by default nothing, and whoever holds the bar calls `update`.
        label: stands before the bar.
        unit: of what is counted, for instance `model`.
        total: by default the length of the iterable.
        done: how many were done before.
        scaled: whether numbers are shown as 1.2k and 3.4M.

    Example:
        >>> [2 * number for number in progress(range(3), label="doubling", unit="number")]
        [0, 2, 4]
    """
    in_notebook = _in_notebook()
    widgets = in_notebook and importlib.util.find_spec("ipywidgets") is not None
    watched = in_notebook or (sys.stderr is not None and sys.stderr.isatty())
    bars = importlib.import_module("tqdm.auto" if widgets else "tqdm").tqdm
    return bars(
        iterable,
        desc=label,
        total=total,
        initial=done,
        unit=unit,
        unit_scale=scaled,
        disable=not watched or bool(os.environ.get("TQDM_DISABLE")) or (widgets and _one_is_shown(bars)),
        delay=_SECONDS_BEFORE,
        mininterval=_SECONDS_BETWEEN,
        leave=False,
        position=0,
    )


def _in_notebook() -> bool:
    """Whether this process is a kernel, whose error output is no terminal, but is seen."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and "IPKernelApp" in shell.config


def _one_is_shown(bars: Any) -> bool:
    """Whether another bar is open, the user's own included: widgets have no line that could be taken over."""
    return any(not bar.disable for bar in getattr(bars, "_instances", ()))
