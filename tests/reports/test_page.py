"""The report as a page: all that it is to show, in its order, from stored files; nothing of a stranger's runs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from stored_results import evidence_of, reports_of, stored, write
from test_report import made

from kit.reports import leaks, page, ranking
from kit.reports.gathering import MOST_DOTS
from kit.reports.leaks import Leak, Leaks, Price
from kit.reports.page import Stored
from kit.storage import seals
from kit.types import FailedRun, InputError

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> & $x^2$ {{ 7*7 }}'
VOID = {"meta", "link", "input", "img", "br", "wbr"}


class Reader(HTMLParser):
    """Collects the elements of a page, and checks that they close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("script", "style"):
            self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def text() -> str:
    """A page of two methods."""
    return page.render(stored("mine", "other"))


@pytest.fixture(scope="module")
def shown(text: str) -> Reader:
    return Reader(text)


def test_sections_come_in_their_order(shown: Reader) -> None:
    order = [
        "table",
        "tradeoff",
        "losses",
        "roc",
        "epsilons",
        "memorisation",
        "accuracy_by_class",
        "remembered",
        "example",
    ]
    assert [section.get("id") for section in shown.of("section")] == [*order, "meaning", "reproduce"]
    anchors = {link["href"] for link in shown.of("a")}
    assert anchors == {f"#{section['id']}" for section in shown.of("section")}


def test_leaks_get_a_section_where_they_lie_beside_the_report(tmp_path: Path) -> None:
    lines = (
        Leak("slice AUC", "plain", "passes", 1.0, 0.0, 0.5),
        Leak("slice AUC", "constant", "passes", 0.5, 0.0, 0.5),
        Leak("membership AUC", HOSTILE, "passes", None, None, 0.5, HOSTILE),
    )
    leaks.write(tmp_path / leaks.NAME, Leaks("mine", "small", 8, lines, (Price("plain", 12345.0, 0.1, 0.1),)))
    written = replace(stored("mine"), leaks=leaks.read(tmp_path / leaks.NAME))
    reader = Reader(page.render(written))
    assert "leaks" in [section.get("id") for section in reader.of("section")]
    assert "attackers learn by: slice AUC." in reader.text
    assert "was the record in a late slice? plain passes 1.000 ±0.000 0.5" in reader.text
    assert "12345" in reader.text
    assert not any("onerror" in attributes for attributes in reader.of("img"))
    assert len(reader.of("strong")) == 1 + len(Reader(page.render(stored("mine"))).of("strong"))


def test_it_begins_with_one_sentence_and_ends_with_the_command(shown: Reader) -> None:
    best = ranking.rank(reports_of(["mine", "other"]))[0]
    assert re.search(rf"Of 2 methods on noisy-digits .*{best.method} comes closest to retraining", shown.text)
    command = (
        r"kit run mine other --num-models 32 --originals 4 (--set \S+ )+--challenge noisy-digits --forget random:0.1"
    )
    assert re.search(command + " --split-seed 0 --seed 0", shown.text)


def test_every_row_is_in_the_table_and_every_picture_says_what_it_shows(shown: Reader) -> None:
    rows = [row["data-method"] for row in shown.of("tr") if "data-method" in row]
    assert rows[:2] == rows[2:] == [rank.method for rank in ranking.rank(reports_of(["mine", "other"]))]
    panels = [figure["data-method"] for figure in shown.of("figure")]
    assert panels[:4] == panels[4:8] == ["original", *rows[:2], "retrain"]
    pictures = [svg for svg in shown.of("svg") if svg.get("role") == "img"]
    assert len(pictures) == 1 + 6 * 4
    assert all(len(svg["aria-label"] or "") > 20 for svg in pictures)
    assert all(svg.get("aria-hidden") == "true" for svg in shown.of("svg") if svg not in pictures)
    assert [image["alt"] for image in shown.of("img")] == ["Training example 12, label 7"]
    assert "known to be wrong" in shown.text


def test_losses_before_after_and_retrained_stand_with_each_example(shown: Reader) -> None:
    order = [rank.method for rank in ranking.rank(reports_of(["mine", "other"]))]
    losses = {"mine": "2.25", "other": "3.25"}
    first = next(cell for cell in shown.of("dd") if cell.get("class") == "after")
    assert first["data-losses"] == " ".join(losses[name] for name in order)
    assert f"before 1.25 after {losses[order[0]]} retrained 4.25" in shown.text


def test_nothing_is_fetched_and_one_script_may_run(text: str, shown: Reader) -> None:
    for tag, name in (("script", "src"), ("img", "src"), ("link", "href"), ("use", "href"), ("image", "xlink:href")):
        assert all((attributes.get(name) or "data:").startswith(("data:", "#")) for attributes in shown.of(tag))
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    (policy,) = [meta["content"] or "" for meta in shown.of("meta") if "http-equiv" in meta]
    (script,) = re.findall(r"<script>(.*)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_names_within_pictures_do_not_clash(shown: Reader) -> None:
    frames = {symbol["id"] for symbol in shown.of("symbol")}
    used = {(use.get("href") or use.get("xlink:href") or "")[1:] for use in shown.of("use")}
    defined = [attributes["id"] for _, attributes in shown.elements if attributes.get("id")]
    assert frames <= used <= set(defined)
    kinds = [name for name in defined if not re.fullmatch(r"[mp][0-9a-f]{10}", name or "")]
    assert len(kinds) == len(set(kinds))


def test_what_a_stranger_wrote_is_text() -> None:
    label = "</svg><b>7</b>"
    content = stored(HOSTILE, label=label)
    failures = {f"failed{HOSTILE}": FailedRun(HOSTILE)}
    reports = tuple(
        replace(report, data_source=HOSTILE, model=HOSTILE, warnings=(HOSTILE,)) for report in content.reports
    )
    reader = Reader(page.render(Stored(reports, failures, content.evidence)))
    assert len(reader.of("script")) == 1
    assert reader.of("b") == []
    assert all(image["src"] != "x" and "onerror" not in image for image in reader.of("img"))
    assert "".join(HOSTILE.split()) in "".join(reader.text.split())
    assert label in reader.text


def test_a_name_without_end_and_one_of_another_script_are_shown() -> None:
    content = stored("m" * 300, "忘却")
    text = page.render(Stored(content.reports))
    assert "m" * 300 in text
    assert "忘却" in text


def test_single_models_have_no_epsilons_and_a_report_alone_no_examples() -> None:
    single = Reader(page.render(stored(populations=False)))
    assert "epsilons" not in [section.get("id") for section in single.of("section")]
    alone = Reader(page.render(Stored(reports_of(["mine"]))))
    assert "stored without the evidence of single examples" in alone.text
    assert {"table", "tradeoff", "reproduce"} <= {section.get("id") for section in alone.of("section")}


@pytest.mark.parametrize("names", [[], ["mine"]], ids=["landmarks", "one"])
def test_reports_of_few_rows_make_a_page(names: list[str]) -> None:
    assert "noisy-digits" in Reader(page.render(Stored(reports_of(names)))).text


def test_rows_of_a_training_of_their_own_have_its_landmarks() -> None:
    """As SISA's, which may be all that was run."""
    reports = tuple(replace(report, pretraining="sisa") for report in reports_of(["mine"]))
    reader = Reader(page.render(Stored(reports, {}, evidence_of(reports))))
    assert [figure["data-method"] for figure in reader.of("figure")][:3] == [
        "original (sisa)",
        "mine",
        "retrain (sisa)",
    ]
    assert "before 1.25 after 2.25 retrained 3.25" in reader.text
    assert "Retraining lies at" in str(reader.of("svg"))


def test_stored_reports_of_other_versions_make_a_page() -> None:
    """With scores of no known name, and without those that there are by now."""
    unknown = {"other": replace(made().scores["mia_auc"], name="other")}
    Reader(page.render(Stored((made("original"), replace(made("mine"), scores=unknown), made("retrain")))))


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = write(tmp_path, stored())
    for name in ("one.html", "two.html"):
        page.write(folder / name, page.read(folder))
    assert (folder / "one.html").read_bytes() == (folder / "two.html").read_bytes()


@pytest.mark.slow
def test_thirty_methods_of_128_models_fit_into_three_megabytes() -> None:
    names = [f"method_{number}" for number in range(30)]
    reports = reports_of(names)
    shown = evidence_of(reports)
    rows = []
    for row in shown.rows:
        assert row.distances is not None
        distances = replace(row.distances, epsilons=tuple(np.resize(row.distances.epsilons, MOST_DOTS).tolist()))
        rows.append(replace(row, num_models=128, confidences=row.confidences * 8, distances=distances))
    memorised = tuple(np.linspace(-1, 5, MOST_DOTS).tolist())
    text = page.render(Stored(reports, {}, replace(shown, rows=tuple(rows), memorised=memorised)))
    assert len(Reader(text).of("figure")) == 6 * 32
    assert len(text.encode()) < 3e6


# Bad input


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error:
        page.read(path)
    text = str(error.value)
    assert re.fullmatch(r"\S.{10,}?[.] Expected \S.{10,}?[.] \S.{8,}[.?]", text), text
    return text


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    assert "There is no file" in refusal(tmp_path)


def test_a_damaged_report_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, stored("mine")) / "report.json"
    path.write_text(path.read_text().replace('"mine"', '"mire"'))
    assert "sha256" in refusal(tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"split_sha256": "d" * 64}, "mixes rows of 2 splits"),
        ({"score_version": "1.1"}, "mixes rows of 2 score versions"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(tmp_path: Path, changes: dict[str, str], error: str) -> None:
    first, second, third = reports_of(["mine"])
    assert error in refusal(write(tmp_path, Stored((first, replace(second, **changes), third))))


def test_no_rows_are_refused(tmp_path: Path) -> None:
    assert "holds no reports" in refusal(write(tmp_path, Stored(())))


@pytest.mark.parametrize("version", ["99.0", "3.99", "latest", 3])
def test_a_report_of_a_newer_version_is_refused_before_it_is_read(tmp_path: Path, version: object) -> None:
    content = {"score_version": version, "reports": [{"of": "other fields"}], "failures": []}
    (tmp_path / "report.json").write_text(json.dumps(seals.with_digest(content)))
    assert "score version" in refusal(tmp_path)


def test_the_evidence_of_another_run_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    content = stored("mine")
    folder = write(tmp_path, content)
    assert page.read(folder).evidence == content.evidence
    write(tmp_path, Stored(tuple(replace(report, seed=1) for report in content.reports)))
    assert "is of another run" in refusal(tmp_path)
    (folder / "evidence.json").write_text("{")
    assert "cannot be read" in refusal(tmp_path)
