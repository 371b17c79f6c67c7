"""The pages in a real browser: the report's sorts and filters, both fit and fetch nothing.

Chromium is not installed by pip: without it these tests are skipped, and fail under `KIT_REQUIRE_CHROMIUM=1`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from stored_results import reports_of, stored

from kit.reports import leaderboard, leaderboard_files, page
from kit.types import Report

pytestmark = pytest.mark.slow
NAMES = [f"method_{number:02d}" for number in range(30)]
LONG_NAMES = [f"regularised_fisher_forgetting_of_layer_{number:02d}" for number in range(30)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# What is cut, or lies beside the window, where nothing scrolls.
CUT = """() => [...document.querySelectorAll(
    "p, h1, h2, li, dd, figcaption, figure svg, .wide, img, select, input, pre")]
  .filter((element) => !element.closest(".scroll") && element.getClientRects().length)
  .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5
    || element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline")
  .map((element) => element.outerHTML.slice(0, 80))"""
# The lowest contrast of a text with what is behind it (WCAG's ratio), and which text that is.
CONTRAST = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = "p, th, td, a, li, dt, dd, figcaption, figcaption span, button, .over, text";
  const ratios = [...document.querySelectorAll(texts)].map((element) => {
    const style = getComputedStyle(element);
    const color = element.tagName === "text" ? style.fill : style.color;
    const [first, second] = [light(color), light(behind(element))];
    const ratio = (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
    return [ratio, element.outerHTML.slice(0, 80)];
  });
  return ratios.sort((first, second) => first[0] - second[0])[0];
}"""


@dataclass
class Opened:
    """A page in a browser, and what it said and asked for."""

    tab: Any
    console_lines: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.tab.locator(selector).all_inner_texts()]


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


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of thirty methods, one of which has a name without end."""
    place = tmp_path_factory.mktemp("page") / "report.html"
    page.write(place, stored(*NAMES[:-1], "M" * 100))
    return place


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard of thirty methods with long names, from folders with longer ones."""
    reports = reports_of([*LONG_NAMES[:-1], "M" * 100])
    results = [f"runs/noisy-digits/2026-11-28T07-08-{number:02d}-method-{'x' * 40}" for number in range(len(reports))]
    place = tmp_path_factory.mktemp("board") / "leaderboard.html"
    ranked = leaderboard.of_reports(reports, results, advice="")
    place.write_text(leaderboard_files.to_html(ranked), encoding="utf-8")
    return place


def opened(browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> Opened:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    result = Opened(tab)
    tab.on("console", lambda message: result.console_lines.append(message.text))
    tab.on("pageerror", lambda error: result.console_lines.append(str(error)))
    tab.on("request", lambda request: result.asked_for.append(request.url))
    tab.goto(path.as_uri())
    return result


def test_clicks_and_keys_sort_and_words_filter_without_a_request(browser: Any, path: Path) -> None:
    here = opened(browser, path)
    rows = "#table table >> nth=0 >> tbody.methods tr:visible"
    ranked = here.texts(f"{rows} >> th")
    heading = here.tab.locator("#table table").first.locator("thead th", has_text="method")
    heading.locator("button").click()
    assert here.texts(f"{rows} >> th") == sorted(ranked, key=str.lower)
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").press("Enter")
    assert here.texts(f"{rows} >> th") == sorted(ranked, key=str.lower, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"
    here.tab.locator("#table thead button", has_text="accuracy test").first.click()
    values = [float(text.split()[0]) for text in here.texts(f"{rows} >> td:nth-child(8)")]
    assert values == sorted(values)
    here.tab.locator("#filter").fill("METHOD_1")
    assert sorted(here.texts(f"{rows} >> th")) == sorted(name for name in ranked if name.startswith("method_1"))
    assert here.texts("#count") == ["10 of 30 methods"]
    assert len(here.texts("#losses figure:visible")) == 10
    here.tab.locator("#filter").fill("mmm")
    assert here.texts("#count") == ["1 of 30 methods"]
    here.tab.locator("#filter").fill("")
    assert len(here.texts(f"{rows} >> th")) == 30
    here.tab.locator("#after").select_option(index=3)
    chosen = here.tab.locator(".after").first.get_attribute("data-losses").split()[3]
    assert here.texts(".after")[0] == chosen
    assert here.console_lines == []
    assert here.asked_for == [path.as_uri()]
    here.tab.close()


def assert_legible(here: Opened, width: int, scheme: str) -> None:
    """The page is as wide as the window, no text is cut, and all of it stands out from what is behind it."""
    assert here.tab.evaluate("document.documentElement.scrollWidth") == width
    assert here.tab.evaluate(CUT) == []
    ratio, element = here.tab.evaluate(CONTRAST)
    assert ratio >= 4.5, element
    ground = here.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut_and_all_text_can_be_read(browser: Any, path: Path, width: int, scheme: str) -> None:
    here = opened(browser, path, width, scheme)
    assert_legible(here, width, scheme)
    columns = here.tab.evaluate("getComputedStyle(document.querySelector('.panels')).gridTemplateColumns").split()
    assert len(columns) == (4 if width == 1280 else 1)
    smallest = here.tab.evaluate(
        "Math.min(...[...document.querySelectorAll('figure text')].map((text) => text.getBoundingClientRect().height))"
    )
    assert smallest > 8  # pixels
    here.tab.close()


def wide(number: int, report: Report) -> Report:
    """Returns a report whose numbers are as long as they get; every other one with its cost in seconds alone."""
    changes: dict[str, dict[str, Any]] = {
        "retraining_distance": {"value": 123.45678, "stderr": 10.98765},
        "time_ratio": {"value": 12.3456, "stderr": 0.5432},
        "passes_ratio": {"value": 0.4567, "stderr": 0.0123} if number % 2 else {"value": None, "stderr": None},
    }
    scores = {name: replace(score, **changes.get(name, {})) for name, score in report.scores.items()}
    return replace(report, scores=scores)


def test_the_ranked_table_of_long_names_and_long_numbers_needs_no_scrolling(browser: Any, tmp_path: Path) -> None:
    reports = reports_of(LONG_NAMES)
    reports = (reports[0], *(wide(number, report) for number, report in enumerate(reports[1:-1])), reports[-1])
    page.write(tmp_path / "report.html", page.Stored(reports))
    here = opened(browser, tmp_path / "report.html")
    assert here.texts("#table table >> nth=0 >> thead th")[-2:] == ["passes ratio", "time ratio"]
    table = "document.querySelector('#table .scroll')"
    assert here.tab.evaluate(f"{table}.scrollWidth - {table}.clientWidth") == 0
    here.tab.close()


def test_a_script_that_got_in_all_the_same_is_not_run(browser: Any, path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("<main>", "<main><script>document.title = 'taken'</script>")
    (tmp_path / "attacked.html").write_text(text, encoding="utf-8")
    here = opened(browser, tmp_path / "attacked.html")
    assert "taken" not in here.tab.title()
    assert any("Content Security Policy" in message for message in here.console_lines)
    here.tab.close()


def test_it_prints_on_white_without_controls(browser: Any, path: Path) -> None:
    here = opened(browser, path, scheme="dark")
    here.tab.emulate_media(media="print", color_scheme="dark")
    assert here.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not here.tab.locator("#filter").is_visible()
    assert here.tab.pdf().startswith(b"%PDF")
    here.tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_leaderboard_fits_and_can_be_read(browser: Any, board: Path, width: int, scheme: str) -> None:
    here = opened(browser, board, width, scheme)
    assert_legible(here, width, scheme)
    names = here.texts("tbody th")
    assert sorted(names[:-2]) == sorted([*LONG_NAMES[:-1], "M" * 100])
    # Without scrolling the table: all of it on a screen, what ranks the methods on a phone.
    ends = here.tab.evaluate(
        "[...document.querySelectorAll('thead th')].map((cell) => cell.getBoundingClientRect().right)"
    )
    assert ends[-1 if width == 1280 else 2] <= width
    assert here.console_lines == []
    assert here.asked_for == [board.as_uri()]
    here.tab.close()


def test_a_leaderboard_is_scrolled_with_the_keyboard_and_names_stay(browser: Any, board: Path) -> None:
    from playwright.sync_api import expect

    here = opened(browser, board, 400)
    here.tab.keyboard.press("Tab")
    assert here.tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Leaderboard"
    assert here.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    headings = here.tab.locator("thead th")
    expect(headings.last).not_to_be_in_viewport()
    for _ in range(20):
        here.tab.keyboard.press("ArrowRight")
    expect(headings.last).to_be_in_viewport()
    expect(headings.first).not_to_be_in_viewport()
    expect(headings.nth(1)).to_be_in_viewport(ratio=1)
    expect(here.tab.locator("tbody th").first).to_be_in_viewport(ratio=1)
    here.tab.close()


def test_a_leaderboard_runs_no_script_and_prints_on_white(browser: Any, board: Path, tmp_path: Path) -> None:
    text = board.read_text(encoding="utf-8").replace("<h1>", "<script>document.title = 'taken'</script><h1>")
    (tmp_path / "attacked.html").write_text(text, encoding="utf-8")
    here = opened(browser, tmp_path / "attacked.html", scheme="dark")
    assert "taken" not in here.tab.title()
    assert any("Content Security Policy" in message for message in here.console_lines)
    here.tab.emulate_media(media="print", color_scheme="dark")
    grounds = {
        here.tab.evaluate(f"getComputedStyle(document.querySelector('{name}')).backgroundColor")
        for name in ("body", "td")
    }
    assert grounds == {"rgb(255, 255, 255)"}
    assert here.tab.evaluate(CONTRAST)[0] >= 4.5
    here.tab.close()
