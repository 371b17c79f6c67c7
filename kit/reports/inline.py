"""SVG images as parts of a page: small, without names of their own, and in the page's colours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kit.reports import figures
from kit.reports.evidence import Row
from kit.reports.panels import Keys, Panels
from kit.reports.style import GRID, INK, MUTED

# What matplotlib writes for other readers, and styles that would be those of the whole page.
_SUPERFLUOUS = re.compile(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", re.DOTALL)
_NAMED_GROUP = re.compile(r'<g id="[^"]*"')
_IMAGE = re.compile(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>(.*)</svg>', re.DOTALL)
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)"}


@dataclass(frozen=True)
class Image:
    """The inside of an SVG image, and its view box."""

    view_box: str
    inside: str


@dataclass(frozen=True)
class Key:
    """An entry of a legend: a patch, a line or a mark, as a page draws it.

    Args:
        label: for people.
        fill, stroke: colours; empty for none.
        opacity: of the fill.
        dashes: of the line, as SVG has them.
        mark: one of `o`, `s`, `_`, or empty for a line.
    """

    label: str
    fill: str = ""
    stroke: str = ""
    opacity: float = 1.0
    dashes: str = ""
    mark: str = ""


def image(svg: str) -> Image:
    """Returns an SVG image of matplotlib as a part of a page.

    Example:
        >>> image('<?xml version="1.0"?><svg width="9" viewBox="0 0 9 9" x="1"><g id="a"><!-- b --></g></svg>')
        Image(view_box='0 0 9 9', inside='<g></g>')
    """
    match = _IMAGE.search(_SUPERFLUOUS.sub("", svg))
    if match is None:
        raise ValueError("This is no SVG image. Expected what matplotlib writes. Pass the whole of it.")
    inside = _NAMED_GROUP.sub("<g", match[2])
    for color, variable in _VARIABLES.items():
        inside = inside.replace(color, variable)
    return Image(match[1], re.sub(r"\s*\n\s*", "\n", inside).strip())


def layers(rows: Sequence[Row], kind: Panels, name: str) -> tuple[Image, list[Image]]:
    """Returns the common frame of panels, and each row's image upon it, as `kit.reports.figures.layers` draws them."""
    frame, drawn = figures.layers(rows, kind, name)
    return image(frame), [image(svg) for svg in drawn]


def keys(entries: Keys) -> list[Key]:
    """Returns the entries of a legend as a page draws them."""
    return [_patch(entry) if isinstance(entry, Patch) else _line(entry) for entry in entries]


def _patch(entry: Patch) -> Key:
    from matplotlib.colors import to_hex

    edge = _color(to_hex(entry.get_edgecolor())) if entry.get_linestyle() != "solid" else ""
    return Key(
        str(entry.get_label()), fill=_color(to_hex(entry.get_facecolor())), stroke=edge, opacity=entry.get_alpha() or 1
    )


def _line(entry: Line2D) -> Key:
    color, mark = _color(str(entry.get_color())), str(entry.get_marker())
    dashes = {"--": "6 3", ":": "2 3", "-": ""}.get(str(entry.get_linestyle()), "2 3")
    mark = "" if mark == "None" else mark
    return Key(str(entry.get_label()), stroke=color, dashes="" if mark else dashes, mark=mark)


def _color(color: str) -> str:
    return _VARIABLES.get(color, color)
