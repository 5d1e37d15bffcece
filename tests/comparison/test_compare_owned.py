"""A comparison's directory has one holder, and a resumed comparison is the one that began."""

import json
import os

import pytest

from fastflow.cli import main
from fastflow.runs import locked

WORDS = (
    *("model=mixture", "steps=20", "targets=[10]", "samples=2", "tuning=2", "live=1", "pairs=0"),
    *("methods=[euler,uniform]", "converged_steps=0", "metrics=[fidelity]", "prompts=prompts.txt"),
)


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A comparison with a relative path, of which one row is not finished."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("a cat\na dog\na cow\n")
    assert main(["compare", *WORDS, "out=run"]) == 0
    (tmp_path / "run" / "rows" / "uniform-at-10.json").unlink()
    return tmp_path / "run"


def test_a_comparison_is_resumed_from_anywhere(begun, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["compare", "resume=../run"]) == 0
    assert (begun / "rows" / "uniform-at-10.json").is_file()
    assert not list(begun.glob(".*"))


def test_changed_prompts_are_named_and_can_be_forced(begun, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("a cat\na dog\na hen\n")
    capsys.readouterr()
    assert main(["compare", "resume=run"]) == 2
    assert "the file that `prompts` names has another content" in capsys.readouterr().err
    assert not (begun / "rows" / "uniform-at-10.json").exists()
    assert main(["compare", "resume=run", "force=true"]) == 0
    left_out = json.loads((begun / "comparison.json").read_text())["left_out"]
    assert "Resumed with force=true" in " ".join(left_out)
    assert "Resumed with force=true" in (begun / "report.html").read_text()


@pytest.mark.parametrize("words", [("compare", "resume=run"), ("report", "run")])
def test_a_comparison_that_is_worked_in_is_refused(begun, capsys, words):
    with locked(begun, "compare"):
        capsys.readouterr()
        assert main([*words]) == 2
        assert f"is in use: process {os.getpid()} on " in capsys.readouterr().err
