"""A run removes only what it made itself, in this run, and keeps to folders of its own."""

import os
from importlib import import_module

import pytest

from fastflow.cli import main
from fastflow.errors import UserError

JOB = import_module("fastflow.runs.run").RunJob


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def refuse(self, worker):
    raise UserError("the model moved.")


@pytest.fixture
def fails(monkeypatch):
    """Makes every run fail once its directory is there, as a model folder that moved does."""
    monkeypatch.setattr(JOB, "_sampler", refuse)


@pytest.mark.parametrize("left", [(), ("samples.jsonl",)])
def test_a_resumed_directory_is_never_removed(sample, left, monkeypatch):
    done = sample("samples=2")
    (done.path / "notes.txt").write_text("mine")
    for name in ("samples.jsonl", "records.jsonl"):
        (done.path / name).unlink()
    for name in left:
        (done.path / name).write_text("")
    before = names(done.path)
    monkeypatch.setattr(JOB, "_sampler", refuse)
    assert sample(f"resume={done.path}").status == 2
    assert set(names(done.path)) == {*before, "samples.jsonl", "records.jsonl"}
    monkeypatch.undo()
    assert sample(f"resume={done.path}").status == 0
    assert len(done.lines("samples.jsonl")) == 2


def test_an_empty_folder_of_the_user_stays_when_a_run_fails(sample, tmp_path, fails):
    (tmp_path / "run").mkdir()
    assert sample("samples=2").err.endswith("the model moved.\n")
    assert names(tmp_path / "run") == []


def test_a_folder_that_a_failing_run_made_can_be_used_again(sample, tmp_path, fails, monkeypatch):
    assert sample("samples=2", out="a/b").status == 2
    assert names(tmp_path) == ["a"]
    monkeypatch.undo()
    assert sample("samples=2", out="a/b").status == 0


def test_what_the_user_puts_into_a_failing_run_stays(sample, tmp_path, monkeypatch):
    def note(self, worker):
        (self.path / "notes.txt").write_text("mine")
        refuse(self, worker)

    monkeypatch.setattr(JOB, "_sampler", note)
    assert sample("samples=2").status == 2
    assert names(tmp_path / "run") == ["notes.txt"]


def test_two_runs_of_one_second_have_two_directories(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda form, *time: "20260101-000000")
    words = ["sample", "model=mixture", "executor=inline", "samples=1"]
    assert [main(words) for _ in range(3)] == [0, 0, 0]
    assert sorted(os.listdir("runs")) == [
        f"20260101-000000-mixture-ucb{end}" for end in ("", "-2", "-3")
    ]


def test_an_export_refuses_a_folder_with_files_of_others(tmp_path):
    from fastflow.runs.official.export import _check_own

    (tmp_path / "full").mkdir()
    _check_own(tmp_path)
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=r"thesis\.tex', which no export writes"):
        _check_own(tmp_path)
