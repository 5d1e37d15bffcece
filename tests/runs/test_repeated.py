"""A repeated run writes the same bytes, except in the named fields with clock readings."""

import time
from pathlib import Path

import pytest
from clock import CLOCK_FIELDS, without_clock

from fastflow.cli import main
from fastflow.evaluation.summary import CLOCK

SAMPLE = ("sample", "executor=inline", "samples=4", "metrics=[fidelity,scenes]")
COMPARE = (
    *("compare", "model=mixture", "steps=20", "targets=[12,6]", "samples=3", "tuning=6"),
    *(
        "live=2",
        "pairs=2",
        "converged_steps=40",
        "methods=[euler,uniform,ucb,plan,negative_control]",
    ),
)


def twice(command, folder, monkeypatch):
    """Runs a command in two folders of one name, the second time two seconds later."""
    for half in ("first", "second"):
        (folder / half).mkdir()
        monkeypatch.chdir(folder / half)
        assert main([*command, "out=run"]) == 0
        time.sleep(2)
    return folder / "first" / "run", folder / "second" / "run"


def files(path: Path):
    return sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())


def assert_the_same(first, second):
    assert files(first) == files(second)
    for name in files(first):
        assert without_clock(first / name) == without_clock(second / name), name


def test_a_repeated_run_of_images_writes_the_same_bytes(tmp_path, monkeypatch):
    runs = twice((*SAMPLE, "model=mixture"), tmp_path, monkeypatch)
    assert {file.suffix for file in files(runs[0])} == {
        ".yaml",
        ".json",
        ".jsonl",
        ".png",
        ".html",
    }
    assert_the_same(*runs)


def test_a_repeated_run_of_videos_writes_the_same_bytes(tmp_path, monkeypatch, video):
    runs = twice((*SAMPLE, *video), tmp_path, monkeypatch)
    assert len([file for file in files(runs[0]) if file.suffix == ".mp4"]) == 8
    assert "data:image/gif" in (runs[0] / "report.html").read_text(encoding="utf-8")
    assert_the_same(*runs)


def test_a_repeated_comparison_writes_the_same_bytes(tmp_path, monkeypatch):
    runs = twice(COMPARE, tmp_path, monkeypatch)
    assert {file.suffix for file in files(runs[0])} >= {".csv", ".json", ".png", ".html"}
    assert_the_same(*runs)


def test_only_clock_readings_are_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*SAMPLE, "model=mixture", "out=run"]) == 0
    page = without_clock(tmp_path / "run" / "report.html").decode()
    written = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 0.7 * len(written) < len(page) < len(written)
    assert page.count("<figure") == written.count("<figure") - 1
    assert "Network calls per sample" in page
    assert set(CLOCK) <= CLOCK_FIELDS


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_a_difference_in_another_field_is_noticed(tmp_path, kind):
    for name, calls in (("a", 7), ("b", 8)):
        (tmp_path / f"{name}.{kind}").write_text(f'{{"calls": {calls}, "seconds": {calls}}}')
    assert without_clock(tmp_path / f"a.{kind}") != without_clock(tmp_path / f"b.{kind}")
