"""The documentation: it builds without a warning, has every public name and score, and opens without a request."""

from __future__ import annotations

import inspect
import os
import pkgutil
import posixpath
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import processes
import pytest
import typer

import kit
from benchmarks import model_cards
from kit import __main__ as command_line
from kit import scorers, testing, toolbox, types

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# What reaches beyond the window, where nothing scrolls.
CUT = """() => [...document.querySelectorAll("article :is(p, h1, h2, img, li, svg.math)")]
  .filter((element) => !element.closest(".table-wrapper, pre, .output, .formula, figure"))
  .filter((element) => element.getClientRects().length)
  .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map((element) => element.outerHTML.slice(0, 80))"""


def test_each_score_has_its_formula_range_and_failure_mode() -> None:
    entries = re.findall(
        r"^### (.*)\n\n(.*(?:\n(?!##).*)*)", (DOCS / "scores.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    explained = {name: text for heading, text in entries for name in re.findall(r"`(\w+)`", heading)}
    assert sorted(explained) == sorted(scorers.names())
    for text in explained.values():
        assert len(text.split("\n- ")[0]) > 20
        assert re.findall(r"^- \*([^*]+)\*: \S", text, re.MULTILINE) == ["Range", "Needs", "How it misleads"]


def test_terms_are_in_alphabetical_order() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(.+)\n: ", text, re.MULTILINE)
    assert len(terms) > 30
    assert terms == sorted(terms, key=str.lower)


def test_each_file_of_weights_has_a_model_card() -> None:
    """After a change of weights: python -m benchmarks.update_readme cards"""
    text = (DOCS / "model-cards.md").read_text(encoding="utf-8")
    assert model_cards.table() in text
    for path in (ROOT / "data" / "pretrained").glob("*.npz"):
        assert f"| `{path.name}` |" in text
        assert f"\n## `{path.stem.removesuffix('-retrained')}`\n" in text


def typed_commands() -> list[tuple[str, str]]:
    """Every command of the kit that a page or a notebook tells its reader to type, and where it stands."""
    pages = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *(ROOT / "notebooks").glob("*.py")]
    pairs = []
    for page in sorted(set(pages) - {ROOT / "CHANGELOG.md"}):
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        inline = re.findall(r"`((?:python -m )?kit [a-z][^`]*)`", text)
        lines = re.findall(r"^\s*(?:[$!] ?|- run: )?((?:python -m )?kit [a-z].*)$", text, re.MULTILINE)
        for command in dict.fromkeys(" ".join(each.split()).removeprefix("python -m ") for each in [*inline, *lines]):
            pairs.append((page.name, re.split(r" [#>&;]", command)[0]))
    return pairs


def test_every_command_that_a_page_names_is_one_that_the_kit_takes() -> None:
    """Unless it is the beginning of one: a name alone, an option without its value, or what is required left out."""
    app = typer.main.get_command(command_line.app)
    refused = []
    for page, command in typed_commands():
        words = shlex.split(command.replace("SECRET", "1"))[1:]
        group = app.commands.get(words[0])
        takes = (
            group.commands.get(words[1]) if group is not None and hasattr(group, "commands") and words[1:] else group
        )
        rest = words[2:] if takes is not group else words[1:]
        if takes is None:
            refused.append((page, command))
        elif rest:
            try:
                takes.make_context(words[0], rest)
            except Exception as error:
                if type(error).__name__ not in ("MissingParameter", "BadOptionUsage"):
                    refused.append((page, f"{command}: {error}"))
    assert refused == []
    assert len(typed_commands()) > 60


def test_every_page_is_in_a_list_of_contents() -> None:
    contents = (DOCS / "index.md").read_text(encoding="utf-8").split("```{toctree}", 1)[1]
    listed = {line for line in contents.splitlines() if line and not line.startswith((":", "`"))}
    assert {page.stem for page in DOCS.glob("*.md")} - {"index"} <= listed
    assert {f"../{page.stem}" for page in ROOT.glob("*.md")} - {"../README"} <= listed


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, by the command of 'make docs'."""
    folder = tmp_path_factory.mktemp("docs")
    options = ["-q", "-n", "-W", "--keep-going", "-c", "docs", ".", str(folder / "html"), "-d", str(folder / "read")]
    done = processes.run("sphinx", *options, folder=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "html"


def functions_and_classes(folder: Any) -> Iterator[str]:
    """Names that a public module of a folder defines itself."""
    for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        if not module.name.rpartition(".")[2].startswith("_"):
            names = vars(sys.modules.get(module.name) or __import__(module.name, fromlist=["_"]))
            for name, member in names.items():
                defined = inspect.isfunction(member) or inspect.isclass(member)
                if defined and member.__module__ == module.name and not name.startswith("_") and inspect.getdoc(member):
                    yield f"{module.name}.{name}"


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(built: Path) -> None:
    from sphinx.util.inventory import InventoryFile

    with (built / "objects.inv").open("rb") as stream:
        inventory = InventoryFile.load(stream, "", posixpath.join)
    there = {name for domain, entries in inventory.items() if domain.startswith("py:") for name in entries}
    missing = {name for name in types.__all__ if f"kit.types.{name}" not in there}
    missing |= {name for name in testing.__all__ if f"kit.testing.{name}" not in there}
    for name in kit.__all__:
        member = getattr(kit, name)
        expected = {member.__name__} if inspect.ismodule(member) else {f"kit.{name}", f"kit.types.{name}"}
        missing |= {name} if expected.isdisjoint(there) else set()
    missing |= {name for folder in (toolbox, scorers) for name in functions_and_classes(folder) if name not in there}
    assert missing == set()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        assert not os.environ.get("KIT_REQUIRE_CHROMIUM"), "these tests need chromium, and must not be skipped"
        pytest.skip("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("page", ["index", "docs/scores", "docs/reference/kit", "notebooks/04_what_attacks_measure"])
def test_a_page_opens_without_an_error_or_a_request_and_fits(
    built: Path, browser: Any, page: str, width: int, scheme: str
) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    messages: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((built / f"{page}.html").as_uri())
    tab.wait_for_selector("article")
    assert messages == []
    assert {url for url in asked if not url.startswith((built.as_uri(), "data:"))} == set()
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate(CUT) == []
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    if page == "index":
        assert tab.url.endswith("/docs/index.html")
        assert tab.locator("article img").evaluate("(image) => image.complete && image.naturalWidth > 0")
    tab.close()
