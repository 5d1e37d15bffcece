"""A run of two processes, whoever starts them: the same results, one directory, one message."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from starting import ended, start

RUN = (
    *("sample", "model=mixture", "policy=ucb", "samples=8", "policy.update_every=4"),
    *("metrics=[fidelity]", "executor.accelerator=cpu", "executor.progress=false"),
)

MANY = 240


def results(path):
    rows = [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]
    memory = json.loads((path / "memory.json").read_text())
    kept = ("index", "computed", "metrics")
    return sorted(([row[name] for name in kept] for row in rows), key=lambda r: r[0]), memory


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Returns a function to a run in one process, of so many samples."""
    folder, made = tmp_path_factory.mktemp("alone"), {}

    def run(samples):
        if samples not in made:
            path = made[samples] = folder / str(samples)
            statuses, text = ended(start("alone", *RUN, f"samples={samples}", f"out={path}"))
            assert statuses == [0], text
        return made[samples]

    return run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["command", "torchrun", "slurm", "nodes"])
def test_two_processes_give_what_one_gives_in_one_directory(way, alone, tmp_path):
    (tmp_path / "here").mkdir()
    statuses, text = ended(start(way, *RUN, cwd=str(tmp_path / "here")))
    assert set(statuses) == {0}, text
    (made,) = (tmp_path / "here" / "runs").iterdir()
    assert text.count("report    runs/") == 1
    assert results(made) == results(alone(8))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("way", "word", "message"),
    [
        (
            "torchrun",
            "policy.update_every=0",
            "`update_every` must be",
        ),
        ("slurm", "out=full", "`out` 'full' exists already"),
        ("slurm", "executor.devices=3", "`devices` is 3, but Slurm started 2 processes"),
    ],
)
def test_what_is_refused_ends_all_and_is_said_once(way, word, message, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    begun = time.monotonic()
    statuses, text = ended(start(way, *RUN, word, cwd=str(tmp_path)))
    assert 0 not in statuses
    assert len(re.findall("fastflow sample: ", text)) == 1, text
    assert message in text
    assert time.monotonic() - begun < 100
    assert os.listdir(tmp_path) == ["full"]


def processes_in(folder):
    """Returns the ids of the processes that run in a folder, the youngest last."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            if (proc / "cwd").resolve() == folder.resolve():
                found.append(int(proc.name))
        except OSError:
            continue
    return sorted(found)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("way", "killed"), [("command", 1), ("slurm", 0)])
def test_a_killed_process_ends_the_others_and_the_run_is_resumed(way, killed, alone, tmp_path):
    if not Path("/proc/self/cwd").exists():
        pytest.skip("needs /proc")
    long = [*RUN, f"samples={MANY}", "out=run"]
    started = start(way, *long, cwd=str(tmp_path))
    samples = tmp_path / "run" / "samples.jsonl"
    while not samples.exists() or not samples.stat().st_size:
        assert all(process.poll() is None for process in started)
        time.sleep(0.05)
    os.kill(processes_in(tmp_path)[killed], signal.SIGKILL)
    begun = time.monotonic()
    statuses, text = ended(started, 60)
    assert time.monotonic() - begun < 20
    assert 0 not in statuses
    assert not processes_in(tmp_path)
    assert text.count("fastflow sample: ") == 1, text
    assert f"process {killed + 1} of 2 " in text
    assert "resume with: fastflow sample resume=run" in text
    assert samples.read_text().count("\n") < MANY
    statuses, text = ended(start("alone", "sample", "resume=run", cwd=str(tmp_path)))
    assert statuses == [0], text
    assert results(tmp_path / "run") == results(alone(MANY))
