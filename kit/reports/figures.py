"""The figures of a report: a panel a row of the table, four panels side by side, legends outside the axes.

The public name is `kit.plots`. Figures are drawn from an `Evidence`, or from outputs where a notebook has these.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kit.reports import memorisation, panels, style
from kit.reports.evidence import Evidence, Row
from kit.reports.gathering import row_of
from kit.reports.panels import Panels
from kit.reports.style import INK
from kit.rules import RETRAIN
from kit.storage import files
from kit.types import Outputs

NAMES = ("losses", "roc", "epsilons", "memorisation", "scores_by_models", "accuracy_by_class", "example")
COLUMNS = 4
# In inches: of a panel, and of what surrounds it.
_WIDTH, _HEIGHT = 2.2, 1.5
_LEFT, _BOTTOM, _ABOVE, _GAP, _BETWEEN, _EDGE = 0.68, 0.45, 0.55, 0.26, 0.5, 0.12
_NARROWEST, _NOTE = 4.4, 0.14
_DPI = 120


def figures(evidence: Evidence) -> dict[str, Figure]:
    """Returns the figures of an evaluation by name, those of `NAMES` that there is something to show in."""
    drawings = {name: grid(rows, kind) for name, (rows, kind) in kinds(evidence).items()}
    populations = [row for row in evidence.rows if row.distances is not None]
    return drawings | ({"scores_by_models": score_curves(populations)} if populations else {})


def kinds(evidence: Evidence) -> dict[str, tuple[Sequence[Row], Panels]]:
    """Returns by name each kind of panel, and the rows that there is one for."""
    rows, reference = evidence.rows, evidence.reference
    present: dict[str, tuple[Sequence[Row], Panels]] = {"losses": (rows, panels.Losses.of(rows, reference))}
    attacked = [row for row in rows if row.curve is not None]
    if attacked:
        present["roc"] = attacked, panels.Roc.of(attacked, reference)
    populations = [row for row in rows if row.distances is not None]
    if populations:
        present["epsilons"] = populations, panels.Epsilons.of(populations)
    if populations and evidence.memorised:
        present["memorisation"] = populations, memorisation.Memorisation.of(populations, evidence)
    present["accuracy_by_class"] = rows, panels.Accuracies.of(evidence)
    present["example"] = rows, panels.Confidences.of(rows, reference)
    return present


def loss_histograms(outputs: Mapping[str, Outputs]) -> Figure:
    """Returns the losses of forget and test examples, a panel a method, against those of the retrained models.

    Args:
        outputs: by method; those of `retrain`, where there are any, are what the others are compared with.

    Example:
        >>> logits, labels = dict.fromkeys(("forget", "test"), np.zeros((1, 2, 4))), np.array([0, 3])
        >>> models = Outputs.of_logits("mine", logits, dict.fromkeys(logits, labels), seconds=[1.0], seeds=[0])
        >>> [ax.get_title(loc="left") for ax in loss_histograms({"mine": models}).axes]
        ['mine']
    """
    nobody = np.array([], np.int64)
    rows = _rows(outputs, nobody, nobody)
    return grid(rows, panels.Losses.of(rows, lambda _: _retrained(rows)))


def roc_curves(outputs: Mapping[str, Outputs], members: np.ndarray, nonmembers: np.ndarray) -> Figure:
    """Returns the attack on the loss on logarithmic axes, a panel a method.

    Args:
        outputs: as in `loss_histograms`.
        members, nonmembers: indices into the forget and the test set (`kit.attack_sample`), one or more.
    """
    rows = _rows(outputs, members, nonmembers)
    return grid(rows, panels.Roc.of(rows, lambda _: _retrained(rows)))


def _rows(outputs: Mapping[str, Outputs], members: np.ndarray, nonmembers: np.ndarray) -> list[Row]:
    first = np.zeros(1, np.int64)
    return [
        row_of(models, None, name, members=members, nonmembers=nonmembers, chosen=first, dots=first)
        for name, models in outputs.items()
    ]


def _retrained(rows: Sequence[Row]) -> Row | None:
    return next((row for row in rows if row.name == RETRAIN), None)


def score_curves(rows: Sequence[Row]) -> Figure:
    """Returns the forgetting score against the number of models a side, a line a row that has scores."""
    height = max(3.0, 0.19 * len(rows) + 0.7)
    with style.applied():
        figure = Figure(figsize=(7.2, height))
        ax = figure.add_axes((0.09, 0.45 / height, 0.45, 1 - 0.6 / height))
        named = [(row.name, row.distances) for row in rows if row.distances is not None]
        for number, (name, distances) in enumerate(sorted(named, key=lambda pair: -pair[1].scores[-1])):
            color, dashes = (INK, "--") if name.split(" (")[0] == RETRAIN else style.line(number)
            label = f"{distances.scores[-1]:.3f}  {style.shown(name)}"
            (curve,) = ax.plot(distances.sizes, distances.scores, color=color, linestyle=dashes, label=label)
            curve.set_marker("o" if len(distances.sizes) == 1 else "")  # a line through one point is none
        sizes = sorted({size for _, distances in named for size in distances.sizes})
        ax.set(xscale="log", ylim=(0, None), xlabel="models a side", ylabel="forgetting score")
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), handlelength=3, borderaxespad=0)
    return figure


def grid(rows: Sequence[Row], kind: Panels) -> Figure:
    """Returns a figure with a panel a row, four side by side, and one legend above them.

    Args:
        rows: one or more.
        kind: what each panel shows.
    """
    columns, lines = min(COLUMNS, len(rows)), math.ceil(len(rows) / COLUMNS)
    width = max(_LEFT + columns * (_WIDTH + _GAP), _NARROWEST)
    notes = [kind.note(row) for row in rows]
    title = _NOTE if any(notes) else 0.0
    above, between = _ABOVE + title, _BETWEEN + title
    height = above + lines * (_HEIGHT + between) - between + _BOTTOM
    with style.applied():
        figure = Figure(figsize=(width, height))
        for number, row in enumerate(rows):
            line, column = divmod(number, columns)
            left = _LEFT + column * (_WIDTH + _GAP)
            bottom = height - above - line * (_HEIGHT + between) - _HEIGHT
            ax = figure.add_axes((left / width, bottom / height, _WIDTH / width, _HEIGHT / height))
            kind.frame(ax)
            kind.draw(row, ax)
            ax.set_title("\n".join(filter(None, (style.shown(row.name), notes[number]))), loc="left")
            if column:
                ax.set_ylabel("")
                ax.tick_params(labelleft=False)
            if number + columns < len(rows):
                ax.set_xlabel("")
        place = (_EDGE / width, 1 - 0.02 / height)
        figure.legend(handles=list(kind.keys), loc="upper left", ncols=len(kind.keys), bbox_to_anchor=place)
    return figure


def layers(rows: Sequence[Row], kind: Panels, salt: str) -> tuple[str, list[str]]:
    """Returns the common frame of panels as an SVG image, and for each row what is to lie upon it.

    Drawing a frame takes matplotlib five times as long as what is in it.

    Args:
        rows, kind: as in `grid`.
        salt: see `kit.reports.style.applied`.
    """
    width, height = _LEFT + _WIDTH + _EDGE, _EDGE + _HEIGHT + _BOTTOM
    with style.applied():
        figure = Figure(figsize=(width, height))
        ax = figure.add_axes((_LEFT / width, _BOTTOM / height, _WIDTH / width, _HEIGHT / height))
        kind.frame(ax)
        frame = svg(figure, salt)
        ax.set_axis_off()
        ax.autoscale(enable=False)
        drawn = []
        for row in rows:
            kind.draw(row, ax)
            drawn.append(svg(figure, salt))
            for artist in (*ax.collections, *ax.lines, *ax.patches, *ax.texts):
                artist.remove()
    return frame, drawn


def svg(figure: Figure, salt: str) -> str:
    """Returns a figure as an SVG image on no ground, without the time at which it was drawn.

    Args:
        figure: a whole one.
        salt: see `kit.reports.style.applied`.
    """
    buffer = io.StringIO()
    with style.applied(salt):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Writes a figure, atomically.

    Args:
        figure: a whole one.
        path: ends with `.png` or `.svg`.
    """
    buffer, kind = io.BytesIO(), path.suffix[1:]
    with style.applied():
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)
    with files.atomic_write(path) as stream:
        stream.write(buffer.getvalue())
