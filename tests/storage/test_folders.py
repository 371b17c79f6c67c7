"""Each run's results have a folder of their own, whole or not there at all."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from cli_helpers import call

from kit.storage import folders

MORNING, EVENING = datetime(2026, 3, 14, 9, 26, 53), datetime(2026, 3, 14, 19, 0, 0)


def write(root: Path, methods: list[str], when: datetime, challenge: str = "digits") -> Path:
    with folders.fresh(root, challenge, methods, when) as folder:
        (folder / folders.REPORT).write_text("{}")
    return folder


def test_two_runs_have_two_folders_and_the_latest_is_the_second(tmp_path: Path) -> None:
    first, second = write(tmp_path, ["finetune"], MORNING), write(tmp_path, ["ssd"], EVENING)
    assert (first.name, second.name) == ("20260314-092653-finetune", "20260314-190000-ssd")
    assert folders.below(tmp_path) == folders.below(tmp_path / "digits") == [first, second]
    assert (tmp_path / "digits" / "latest").resolve() == second.resolve()
    assert os.readlink(tmp_path / "digits" / "latest") == second.name  # so that the whole folder can be moved
    assert folders.below(tmp_path / "digits" / "latest") == [tmp_path / "digits" / "latest"]
    assert sorted(path.name for path in (tmp_path / "digits").iterdir()) == [
        first.name,
        second.name,
        "latest",
        "report.json",
    ]
    assert (tmp_path / "digits" / "report.json").resolve() == (second / "report.json").resolve()


def test_a_copy_of_the_link_is_not_taken_for_another_run(tmp_path: Path) -> None:
    write(tmp_path / "runs", ["finetune"], MORNING)
    shutil.copytree(tmp_path / "runs", tmp_path / "copied")
    assert (tmp_path / "copied" / "digits" / "latest" / folders.REPORT).is_file()
    assert (tmp_path / "copied" / "digits" / folders.REPORT).is_file()
    assert [folder.name for folder in folders.below(tmp_path / "copied")] == ["20260314-092653-finetune"]


def test_two_runs_of_one_second_keep_out_of_each_others_way(tmp_path: Path) -> None:
    names = [write(tmp_path, ["finetune"], MORNING).name for _ in range(3)]
    assert names == [f"20260314-092653-finetune{number}" for number in ("", "-2", "-3")]


def test_what_is_not_finished_leaves_nothing_and_the_latest_is_the_one_before(tmp_path: Path) -> None:
    first = write(tmp_path, ["finetune"], MORNING)
    with pytest.raises(FileNotFoundError), folders.fresh(tmp_path, "digits", ["ssd"], EVENING) as folder:
        (folder / "split.npz").rename(folder / "nowhere" / "split.npz")
    assert sorted(path.name for path in (tmp_path / "digits").iterdir()) == [first.name, "latest", "report.json"]
    assert (tmp_path / "digits" / "latest").resolve() == first.resolve()


def test_a_folder_of_a_users_that_is_called_latest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "digits" / "latest").mkdir(parents=True)
    write(tmp_path, ["finetune"], MORNING)
    assert not (tmp_path / "digits" / "latest").is_symlink()
    assert not (tmp_path / "digits" / "report.json").exists()


def test_a_report_of_a_users_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "report.json").write_text("mine")
    folder = write(tmp_path, ["finetune"], MORNING)
    assert (tmp_path / "digits" / "report.json").read_text() == "mine"
    assert (tmp_path / "digits" / "latest").resolve() == folder.resolve()


def test_without_links_there_is_no_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("a privilege is missing")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = write(tmp_path, ["finetune"], MORNING)
    assert list((tmp_path / "digits").iterdir()) == [folder]


def test_names_stay_short_whatever_the_methods_are_called() -> None:
    names = [folders.name_of(["ü" * 120, "ssd"], MORNING), folders.name_of(["method"] * 500, MORNING)]
    assert all(len(name.encode()) < 120 for name in names)
    assert names[1].endswith("-method-method-method-and-497-more")


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert folders.below(tmp_path / "nothing") == []


# `kit list runs`


def test_the_runs_are_listed_and_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "There are no results in 'runs' yet" in call("list", "runs").out
    write(Path("runs"), ["broken"], EVENING)
    stored = Path(__file__).parents[2] / "data" / "results" / "noisy-digits.json"
    with folders.fresh(Path("runs"), "noisy-digits", ["all"], MORNING) as folder:
        (folder / folders.REPORT).write_bytes(stored.read_bytes())
    monkeypatch.setenv("COLUMNS", "30")
    listed = call("list", "runs")
    assert listed.code == 0
    path, *described = listed.out.splitlines()  # a path is whole in the narrowest terminal
    assert path == "runs/noisy-digits/20260314-092653-all"
    assert all(line.startswith("  ") for line in described)
    assert " ".join(" ".join(described).split()).startswith("noisy-digits random:0.1 (split seed 0), 128 models: ")
    assert "'runs/digits/20260314-190000-broken/report.json' has no 'score_version'" in " ".join(listed.err.split())
