"""A run that was interrupted or killed ends, once resumed, like an uninterrupted one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from fastflow.runs import directory

SAME = ("computed", "metrics", "prompt", "seed", "calls")


def essence(done):
    rows = sorted(done.lines("samples.jsonl"), key=lambda row: row["index"])
    return [{name: row[name] for name in SAME} for row in rows]


@pytest.mark.parametrize("stop_at", [0, 3, 9])
def test_an_interrupted_run_resumes_to_the_same_result(sample, monkeypatch, stop_at):
    whole = sample("samples=20", out="whole")
    plain = directory.RunWriter.sample

    def interrupts(self, done, reference, row, rewards):
        if row.index == stop_at:
            raise KeyboardInterrupt
        plain(self, done, reference, row, rewards)

    monkeypatch.setattr(directory.RunWriter, "sample", interrupts)
    stopped = sample("samples=20", out="stopped")
    assert stopped.status == 130
    assert f"resume with: fastflow sample resume={stopped.path}" in stopped.err
    monkeypatch.setattr(directory.RunWriter, "sample", plain)
    resumed = sample(f"resume={stopped.path}", out="stopped")
    assert resumed.status == 0
    assert essence(resumed) == essence(whole)
    assert resumed.json("memory.json")["reward"] == whole.json("memory.json")["reward"]


def finished_lines(path):
    """Returns the complete lines of a file that is being written or does not exist yet."""
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def test_samples_whose_lines_were_truncated_are_generated_again(sample):
    whole = sample("samples=10", out="whole")
    stopped = sample("samples=10", out="stopped")
    for name in ("samples.jsonl", "records.jsonl"):
        path = stopped.path / name
        path.write_text(path.read_text()[:-30])
    resumed = sample(f"resume={stopped.path}", out="stopped")
    assert essence(resumed) == essence(whole)


@pytest.mark.parametrize("broken", ['{"calls": 3', "[1]"])
def test_a_damaged_summary_is_written_again_and_not_in_the_way(sample, broken):
    whole = sample("samples=4", out="whole")
    before = json.loads((whole.path / "summary.json").read_text())
    (whole.path / "summary.json").write_text(broken)
    assert sample(f"resume={whole.path}", out="whole").status == 0
    after = json.loads((whole.path / "summary.json").read_text())
    assert (after["samples"], after["calls_mean"]) == (before["samples"], before["calls_mean"])


def test_a_killed_process_keeps_its_finished_samples(sample, tmp_path):
    path = tmp_path / "killed"
    overrides = [
        "model=mixture",
        "model.side=48",
        "executor=inline",
        "samples=4000",
        f"out={path}",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "fastflow.cli", "sample", *overrides, "executor.progress=false"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    rows = path / "samples.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(finished_lines(rows)) < 5:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    finished = finished_lines(rows)
    assert len(finished) >= 5
    config = path / "config.yaml"
    total = len(finished) + 3
    config.write_text(config.read_text().replace("samples: 4000", f"samples: {total}"))
    resumed = sample(f"resume={path}", "force=true", out="killed")
    assert resumed.status == 0
    assert len(resumed.lines("samples.jsonl")) >= total
    assert all(row in resumed.lines("samples.jsonl") for row in finished)


@pytest.mark.parametrize("words", [["steps=20"], ["+steps=20"], ["policy=every"], ["speedup=2"]])
def test_a_setting_beside_resume_is_refused_by_name(sample, words):
    begun = sample("samples=2")
    done = sample(f"resume={begun.path}", "force=true", *words)
    name = words[0].partition("=")[0].lstrip("+")
    assert done.status == 2
    assert done.err == (
        f"fastflow sample: `{name}` cannot be given with `resume`: what is resumed goes on with "
        "its own configuration. Leave it out, or begin anew without `resume`.\n"
    )
    assert sample(f"resume={begun.path}", "force=true").status == 0
