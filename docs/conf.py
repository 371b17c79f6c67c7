"""How Sphinx builds the documentation: `make docs`.

The source folder is the repository, so that a page, a notebook and a file of rules link to each other by the same
relative paths here, on a code host and in an editor; this folder holds the configuration. No notebook is executed: what
is shown are the outputs that they were committed with.
"""

from __future__ import annotations

import html
import importlib
import os
import pkgutil
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import matplotlib
from docutils import nodes
from matplotlib.textpath import TextPath
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import kit  # noqa: E402 (of this checkout)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = PROJECT["name"]
author = "The authors of the unlearning kit"
copyright = "the authors of the unlearning kit, Apache-2.0"  # noqa: A001 (Sphinx calls it so)
version = release = kit.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/*.ipynb", "data/README.md", "*.md"]
exclude_patterns = [
    "README.md",
    ".[a-z]*",
    ".[a-z]*/**",
    "build/**",
    "dist/**",
    "runs/**",
    "kit/**",
    "tests/**",
    "benchmarks/**",
]
templates_path = ["_templates"]

# Markdown
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True

# Docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
default_role = "literal"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# Pages
html_theme = "furo"
html_title = "Machine unlearning for Keras"
html_static_path = ["static"]
html_css_files = ["kit.css"]
html_additional_pages = {"index": "forward.html"}
html_show_sphinx = False
html_copy_source = False
# Names of other projects, whose documentation is on another machine; of the kit's own, each must be there.
nitpick_ignore_regex = [
    ("py:.*", r"(?!kit\.)[A-Za-z_]+(\..*)?"),
    ("py:.*", r"kit\.([\w.]+\.)?(_\w+|[A-Z])"),  # private names, type variables
    ("py:.*", r"kit\.(contest|models|reports|requests|runs|submission)\.\w+\.\w+"),  # what is for maintainers
]
OTHER_NAMES = re.compile(r"^<!-- other names: ([\w.]+) -->$", re.MULTILINE)
MODULES = re.compile(r"^<!-- modules: ([\w.]+)(?: without ([\w ]+))? -->$", re.MULTILINE)
# By the codes of matplotlib.path.Path.
SVG_LETTERS, CLOSED = {1: "M", 2: "L", 3: "Q", 4: "C"}, 79
HIDDEN = "\N{MODIFIER LETTER COLON}"
METHOD_FACTS = re.compile(r"^(Kind|Cost|Data|Source|Differences): ")


def list_modules(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Puts the reference of each public module of a folder where a page says `<!-- modules: kit.toolbox -->`.

    And that of the public names which the page does not name where it says `<!-- other names: kit -->`.
    """
    source[0] = MODULES.sub(lambda match: _modules(match[1], match[2] or ""), source[0])
    page = source[0]
    source[0] = OTHER_NAMES.sub(lambda match: _other_names(match[1], page), page)


def _modules(folder: str, without: str) -> str:
    names = [module.name for module in pkgutil.iter_modules(importlib.import_module(folder).__path__)]
    shown = [name for name in names if not name.startswith("_") and name not in without.split()]
    return "\n".join(
        f"## `{folder}.{name}`\n\n```{{eval-rst}}\n.. automodule:: {folder}.{name}\n   :members:\n```\n"
        for name in shown
    )


def _other_names(module: str, page: str) -> str:
    """Returns the reference of the public names of a module that a page does not name."""
    named, public = set(re.findall(r"\w+", page)), importlib.import_module(module)
    others = {name: getattr(public, name) for name in public.__all__ if name not in named}
    kinds = {name: "class" if isinstance(other, type) else "function" for name, other in others.items()}
    directives = [f".. auto{kind}:: {module}.{name}" for name, kind in kinds.items()]
    return "\n".join(["## Further names", "", "```{eval-rst}", *directives, "```"]) if directives else ""


def mark_facts(_app: Sphinx, kind: str, name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Makes fields of a method's facts (`Kind: teachers`), whose further lines are indented or not."""
    if kind != "function" or not name.startswith("kit.methods."):
        return
    facts = [number for number, line in enumerate(lines) if METHOD_FACTS.match(line)]
    for number in range(facts[0] if facts else len(lines), len(lines)):
        line = lines[number]
        lines[number] = METHOD_FACTS.sub(r":\1: ", line) if number in facts else f"    {line.strip()}" if line else line


def hide_colon(_app: Sphinx, kind: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Keeps napoleon from taking what stands before the colon in a property's docstring for its type."""
    if kind in ("property", "attribute", "data") and lines:
        lines[0] = lines[0].replace(":", HIDDEN)


def show_colon(_app: Sphinx, _kind: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Undoes `hide_colon`."""
    lines[:] = [line.replace(HIDDEN, ":") for line in lines]


def find_short_name(app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, text: Any) -> Any:
    """Resolves a name as a source has it, imported from another module: `Score`, `kit.types.Score`."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    python = env.domains["py"]
    found = {entry.node_id: (path, entry) for path, entry in python.objects.items() if path.rpartition(".")[2] == name}
    if len(found) != 1 or not node["reftarget"].startswith(("kit.", name)):
        return None
    ((path, entry),) = found.values()
    link = nodes.reference("", "", text, internal=True, reftitle=path)
    link["refuri"] = f"{app.builder.get_relative_uri(node['refdoc'], entry.docname)}#{entry.node_id}"
    return link


def link_methods(app: Sphinx, page: nodes.document) -> None:
    """Makes of a link to a method's source one to its reference."""
    for link in list(page.findall(addnodes.download_reference)):
        source = re.search(r"kit/methods/(\w+)\.py$", link["reftarget"])
        if source is not None:
            target = addnodes.pending_xref(
                "", *link.children, refdomain="py", reftype="mod", reftarget=f"kit.methods.{source[1]}", refwarn=True
            )
            target["refdoc"] = app.env.docname
            link.replace_self(target)


def inline_math(writer: Any, node: nodes.math) -> None:
    """Draws a formula as paths, alike in every browser: neither a script nor a font for mathematics is needed."""
    writer.body.append(_drawn(node.astext()))
    raise nodes.SkipNode


def block_math(writer: Any, node: nodes.math_block) -> None:
    """The same, on a line of its own."""
    writer.body.append(f'<div class="formula">{_drawn(node.astext())}</div>')
    raise nodes.SkipNode


def _drawn(formula: str) -> str:
    """Returns SVG in the colour and size of the text around it, on its baseline; 1 em is 100 of its units."""
    tex = formula.strip()
    with matplotlib.rc_context({"mathtext.fontset": "stix"}):
        path = TextPath((0, 0), f"${tex}$", size=110)
    box = path.get_extents()
    left, top, width, height = box.x0 - 2, -box.y1 - 2, box.width + 4, box.height + 4
    strokes = (
        "Z" if code == CLOSED else SVG_LETTERS[code] + " ".join(f"{x:.1f} {-y:.1f}" for x, y in points.reshape(-1, 2))
        for points, code in path.iter_segments(simplify=False)
    )
    style = f"width:{width / 100:.2f}em;height:{height / 100:.2f}em;vertical-align:{(box.y0 - 2) / 100:.2f}em"
    view = f"{left:.1f} {top:.1f} {width:.1f} {height:.1f}"
    attributes = f'role="img" aria-label="{html.escape(tex)}" viewBox="{view}" style="{style}"'
    return f'<svg class="math" {attributes}><path d="{"".join(strokes)}"/></svg>'


def setup(app: Sphinx) -> None:
    """Connects the functions above."""
    app.connect("source-read", list_modules)
    app.connect("autodoc-process-docstring", mark_facts, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", hide_colon, priority=400)
    app.connect("autodoc-process-docstring", show_colon, priority=600)
    app.connect("missing-reference", find_short_name)
    app.connect("doctree-read", link_methods)
    app.add_html_math_renderer("drawn", (inline_math, None), (block_math, None))


html_math_renderer = "drawn"
