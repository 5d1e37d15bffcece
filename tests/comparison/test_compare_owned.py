"""A comparison's directory has one holder, and a resumed comparison is the one that began."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def lives(pid):
    """Returns whether a process runs; one that ended may wait for a parent to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_processes_of_a_killed_comparison_end_with_it(tmp_path):
    words = ["compare", *WORDS[:-1], "samples=200", "workers=2", f"out={tmp_path / 'run'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fastflow.cli", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        process.wait()
        pytest.skip("needs /proc")
    deadline = time.monotonic() + 150
    own = []
    while len(own) < 2 and process.poll() is None and time.monotonic() < deadline:
        own = children.read_text().split() if children.exists() else []
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(own) == 2
    while any(map(lives, own)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
