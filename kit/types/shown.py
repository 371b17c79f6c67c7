"""How objects show themselves in a notebook: a caption and a small table, in which every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence


def html_table(caption: str, rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Returns a table for `_repr_html_`.

    Args:
        caption: what stands above it.
        rows: cells, each shown as its text.
        header: names of the columns; none by default.

    Example:
        >>> html_table("a < b", [("x", 1)])
        '<table><caption>a &lt; b</caption><tr><td>x</td><td>1</td></tr></table>'
    """
    lines = [f"<tr>{_cells('th', header)}</tr>"] if header else []
    lines += [f"<tr>{_cells('td', row)}</tr>" for row in rows]
    return f"<table><caption>{html.escape(caption)}</caption>{''.join(lines)}</table>"


def _cells(tag: str, cells: Sequence[object]) -> str:
    return "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)


def counted(sizes: Mapping[str, int]) -> str:
    """Returns how many examples there are of each part.

    Example:
        >>> counted({"forget": 126, "retain": 1131})
        '126 forget, 1,131 retain'
    """
    return ", ".join(f"{size:,} {part}" for part, size in sizes.items())


def number_of(count: int, noun: str) -> str:
    """Returns a number and its noun, with an s behind it where there is not one.

    Example:
        >>> number_of(1, "model"), number_of(512, "model")
        ('1 model', '512 models')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"
