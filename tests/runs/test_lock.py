"""One process at a time works in a run directory, and says who it is."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from fastflow.cli import main
from fastflow.runs import locked
from fastflow.sampling.storage import write_whole

RUN = ("model=mixture", "executor=inline", "executor.progress=false", "metrics=[fidelity]")


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "fastflow.cli", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def end(process):
    process.kill()
    if not process.stderr.closed:
        process.communicate()


def wait_for(path, lines=1):
    deadline = time.monotonic() + 100
    while not path.is_file() or path.read_text().count("\n") < lines:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def living(tmp_path):
    """A run that has finished samples and is stopped in the middle, holding its directory."""
    process = start("sample", *RUN, "samples=400", f"out={tmp_path / 'run'}")
    wait_for(tmp_path / "run" / "samples.jsonl", 3)
    process.send_signal(signal.SIGSTOP)
    yield process
    end(process)


def test_a_directory_that_is_worked_in_is_refused_with_the_holders_name(living, tmp_path, capsys):
    path = tmp_path / "run"
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    for command in (["sample", f"resume={path}"], ["report", str(path)]):
        assert main(command) == 2
        assert capsys.readouterr().err == (
            f"fastflow {command[0]}: {str(path)!r} is in use: process {living.pid} on "
            f"{socket.gethostname()} (fastflow sample) works in it. Two at a time would spoil "
            "each other's files. Wait until it ends, or end it.\n"
        )
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_a_killed_holder_is_followed_and_named(living, tmp_path, capsys):
    path = tmp_path / "run"
    end(living)
    assert main(["report", str(path)]) == 0
    assert capsys.readouterr().err == (
        f"{path}: process {living.pid} on {socket.gethostname()} (fastflow sample) ended without "
        "releasing it; going on.\n"
    )
    assert not [file for file in path.iterdir() if file.name.startswith(".lock")]


def test_of_two_resumes_at_once_one_is_refused(tmp_path):
    path = tmp_path / "run"
    process = start("sample", *RUN, "samples=60", f"out={path}")
    wait_for(path / "samples.jsonl", 3)
    end(process)
    both = [start("sample", f"resume={path}") for _ in range(2)]
    errors = [one.communicate(timeout=250)[1] for one in both]
    codes = [one.returncode for one in both]
    rows = [
        json.loads(line)["index"] for line in (path / "samples.jsonl").read_text().splitlines()
    ]
    assert sorted(rows) == list(range(60))
    if codes != [0, 0]:  # they may have run one after the other
        assert sorted(codes) == [0, 2]
        assert f"process {both[codes.index(0)].pid} on " in errors[codes.index(2)]


def test_a_damaged_name_of_a_holder_is_in_nobodys_way(tmp_path):
    (tmp_path / ".lock.json").write_text("{")
    with locked(tmp_path, "sample"):
        assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_writers_of_one_file_do_not_share_a_temporary_name(tmp_path, monkeypatch):
    parts = []
    plain = os.replace
    monkeypatch.setattr("os.replace", lambda a, b: (parts.append(str(a)), plain(a, b)))
    for text in ("one", "two"):
        write_whole(tmp_path / "file", text)
    assert len(set(parts)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
