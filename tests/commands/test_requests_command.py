"""`kit requests`, from a certified model to the zip file for the person, and what it refuses."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import Result, call, one_paragraph


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    labels = np.arange(120) % 3
    features = np.random.default_rng(0).normal(size=(120, 6)) + labels[:, np.newaxis]
    partition = (np.arange(120) >= 90).astype(int) + (np.arange(120) >= 105)
    np.savez(folder / "people.npz", x=features, y=labels, groups=np.arange(120) // 4, partition=partition)
    (folder / "recipe.toml").write_text("epochs = 3\n")
    return folder / "people.npz"


def kit(command: str, *arguments: str | Path) -> Result:
    return call("requests", command, *arguments)


@pytest.fixture(scope="module")
def served(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A queue with two settled requests and one that waits. Leave it as it is."""
    folder = tmp_path_factory.mktemp("certified") / "trail"
    result = call("certify", folder, "--challenge", data, "--quiet")
    assert result.code == 0, result.err
    shutil.copytree(folder, folder.parent / "backup")
    common = (folder, "--challenge", data, "--by", "the officer", "--quiet", "--json", "-")
    for number, owner in enumerate((2, 5, 7)):
        result = kit("add", *common, "--forget", f"group:{owner}", "--id", f"letter-{number}")
        assert result.code == 0, result.err
        (request,) = json.loads(result.out)
        assert (request["number"], request["records"], request["new"]) == (number + 1, 4, True)
    result = kit("run", *common, "--policy", "every:2")
    assert result.code == 0, result.err
    (line,) = json.loads(result.out)["batches"]
    assert (line["requests"], line["method"], line["deleted"]) == ([1, 2], "retrain", 8)
    assert "2 done, 1 waiting" in result.err
    return folder


def test_the_list_and_the_history(served: Path) -> None:
    result = kit("list", served, "--json", "-")
    content = json.loads(result.out)
    assert content["counts"] == {"waiting": 1, "at work": 0, "done": 2}
    assert [request["key"] for request in content["requests"]] == ["letter-0", "letter-1", "letter-2"]
    assert [event["kind"] for event in content["history"]][:3] == ["received"] * 3
    assert len(json.loads(kit("list", served, "--open", "--json", "-").out)["requests"]) == 1
    shown = kit("list", served).out
    assert "letter" not in shown
    assert all(request["deadline"] in shown for request in content["requests"]), "whole dates, where nothing is cut"
    assert "settled" in kit("list", served, "--history").out


def test_a_request_sent_again_is_one_request(served: Path, data: Path) -> None:
    result = kit("add", served, "--challenge", data, "--forget", "group:7", "--id", "letter-2", "--quiet")
    assert result.code == 0, result.err
    assert "it was there already" in result.out
    assert json.loads(kit("list", served, "--json", "-").out)["counts"]["waiting"] == 1


def test_a_person_gets_a_zip_whose_receipts_hold(served: Path, tmp_path: Path) -> None:
    folder = tmp_path / "trail"
    shutil.copytree(served, folder)
    result = kit("evidence", folder, "2", "--output", tmp_path / "answer.zip", "--hand-over", "--json", "-")
    assert result.code == 0, result.err
    assert json.loads(result.out)["receipts_deleted"] == 4
    with zipfile.ZipFile(tmp_path / "answer.zip") as archive:
        archive.extractall(tmp_path)
    receipts = sorted((tmp_path / "0002").glob("receipt-*"))
    assert len(receipts) == 4
    checked = call("verify", receipts[0])
    assert checked.code == 0, checked.err
    page = (tmp_path / "0002" / "statement.md").read_text()
    assert "by the officer" in page
    assert not list((folder / "requests" / "evidence" / "0002").glob("receipt-*"))
    assert call("verify", folder / "certificate.json").code == 0


def test_a_restored_model_forgets_again(served: Path, data: Path, tmp_path: Path) -> None:
    folder, restored, rows = tmp_path / "trail", tmp_path / "restored", tmp_path / "rows.csv"
    shutil.copytree(served, folder)
    shutil.copytree(served.parent / "backup", restored)
    common = ("--challenge", data, "--quiet", "--json", "-")
    result = kit("replay", folder, "--restored", restored, "--output", rows, *common)
    assert result.code == 0, result.err
    content = json.loads(result.out)
    assert content["forgotten_again"] == 8
    assert rows.read_text().split() == ["row", *map(str, [8, 9, 10, 11, 20, 21, 22, 23])]
    again = json.loads(kit("replay", folder, "--restored", restored, *common).out)
    assert (again["forgotten_again"], again["rows"]) == (0, content["rows"])


def test_queues_are_served_by_an_engine(served: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "trail"
    shutil.copytree(served, folder)
    measures = ("--constant", "--padded", "0.1")
    result = kit("run", folder, "--challenge", data, *measures, "--engine", "serial", "--quiet", "--json", "-")
    assert result.code == 0, result.err
    assert json.loads(result.out)["counts"] == {str(folder): {"waiting": 0, "at work": 0, "done": 3}}
    content = json.loads((folder / "requests" / "evidence" / "0003" / "evidence.json").read_text())
    assert content["outcome"]["served"] == "the same work each time, answers leave at ticks of 0.1 s"


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("add", ("--forget", "group:2", "--id", "other"), "request 1 already, which is done"),
        ("add", ("--forget", "group:3", "--id", "letter-0"), "is about other records"),
        ("add", ("--forget", "group:99"), "group"),
        ("add", ("--forget", "group:3", "--id", "two words"), "visible ASCII"),
        ("add", ("--forget", "group:3", "--received", "yesterday"), "is no date"),
        ("add", ("--forget", "group:3", "--received", "8000-01-01"), "Expected a time that has passed"),
        ("add", ("--forget", "group:3", "--deadline", "2001-01-01"), "is not after"),
        ("run", ("--policy", "sometimes"), "There is no policy"),
        ("run", ("--method", "scrub"), "is approximate"),
        ("run", ("--method", "nothing"), "There is no method"),
        ("run", ("--method", "bycost"), "Did you mean by-cost?"),
        ("run", ("--constant", "--method", "certified_removal"), "has no constant work"),
        ("run", ("--constant", "--method", "by-cost"), "has no constant work"),
        ("evidence", ("3", "--output", "x.zip"), "is waiting; it has no evidence yet"),
        ("evidence", ("9", "--output", "x.zip"), "There is no request 9"),
    ],
)
def test_what_is_refused(served: Path, data: Path, command: str, arguments: tuple[str, ...], words: str) -> None:
    before = json.loads(kit("list", served, "--json", "-").out)
    with_data = () if command == "evidence" else ("--challenge", data, "--quiet")
    assert words in one_paragraph(kit(command, served, *arguments, *with_data))
    assert json.loads(kit("list", served, "--json", "-").out) == before


@pytest.mark.parametrize("command", ["list", "run", "replay"])
def test_where_there_is_no_queue(tmp_path: Path, command: str) -> None:
    assert "There is no queue in" in one_paragraph(kit(command, tmp_path))


def test_where_there_is_no_certified_model(tmp_path: Path) -> None:
    assert "There is no certified model in" in one_paragraph(kit("add", tmp_path, "--forget", "class:1"))


def test_a_log_that_was_cut_is_told_of_and_nothing_is_lost(served: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "trail"
    shutil.copytree(served, folder)
    content = (folder / "log.jsonl").read_bytes()
    (folder / "log.jsonl").write_bytes(content[:-40])
    assert "its last line is cut" in one_paragraph(kit("run", folder, "--challenge", data, "--quiet"), code=1)
    counts = json.loads(kit("list", folder, "--json", "-").out)["counts"]
    assert counts == {"waiting": 1, "at work": 0, "done": 2}
    (folder / "log.jsonl").write_bytes(content)
    assert kit("run", folder, "--challenge", data, "--quiet").code == 0


def test_a_simulation(tmp_path: Path) -> None:
    arguments = ("--days", "60", "--repeats", "3", "--policy", "at-once", "--policy", "every:5")
    first, second = (kit("simulate", *arguments, "--json", tmp_path / f"{n}.json") for n in range(2))
    assert first.code == 0, first.err
    assert first.out == second.out
    content = json.loads((tmp_path / "0.json").read_text())
    assert content == json.loads((tmp_path / "1.json").read_text())
    numbers = [row["numbers"] for row in content["policies"]]
    assert numbers[0]["requests"] == numbers[1]["requests"]
    assert numbers[0]["trainings"]["mean"] > 4 * numbers[1]["trainings"]["mean"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--arrivals", "often"), "There are no arrivals"),
        (("--service", "fast"), "There is no service"),
        (("--seconds", "-1"), "Expected numbers above 0"),
        (("--days", "nan"), "Expected numbers above 0"),
    ],
)
def test_what_a_simulation_refuses(arguments: tuple[str, ...], words: str) -> None:
    assert words in one_paragraph(kit("simulate", *arguments))
