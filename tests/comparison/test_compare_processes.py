"""A comparison in two processes, whoever starts them: what one process measures, row by row."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from starting import ended, start

from fastflow.comparison.cells.timing import of_one_kind
from fastflow.comparison.rows import MethodRow

RUN = (
    *("compare", "model=mixture", "steps=20", "targets=[10]", "samples=4", "tuning=4", "live=1"),
    *("pairs=1", "converged_steps=40", "metrics=[fidelity]", "max_batch=2"),
    *("methods=[euler,random_arms,ucb]",),
)
TWO = ("executor=lightning", "executor.accelerator=cpu", "executor.progress=false")
CLOCK = ("pairs", "peak", "timed_on")


def rows(path):
    """Returns what is measured of each row, but for what a clock read."""
    found = {}
    for file in sorted((path / "rows").glob("*.json")):
        row = json.loads(file.read_text())
        for sample in row["samples"] + (row["second"] or {"samples": []})["samples"]:
            for name in [name for name in sample if name.startswith("seconds")]:
                del sample[name]
        assert row["pairs"]
        assert row["timed_on"]
        found[file.name] = {name: row[name] for name in row if name not in CLOCK}
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone") / "run"
    statuses, text = ended(start("alone", *RUN, f"out={path}"))
    assert statuses == [0], text
    return path


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["torchrun", "slurm"])
def test_two_processes_measure_what_one_measures(way, alone, tmp_path):
    """Two rows go to a process each; the third is measured in blocks of prompts if it can be."""
    statuses, text = ended(start(way, *RUN, *TWO, "out=run", cwd=str(tmp_path)))
    assert set(statuses) == {0}, text
    assert text.count("report    run/report.html") == 1
    assert rows(tmp_path / "run") == rows(alone)
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.timeout(400)
def test_a_killed_process_ends_the_other_and_keeps_the_finished_rows(alone, tmp_path):
    if not Path("/proc/self/cwd").exists():
        pytest.skip("needs /proc")
    both = start("slurm", *RUN, *TWO, "out=run", cwd=str(tmp_path))
    while not list((tmp_path / "run" / "rows").glob("*.json")):
        assert all(process.poll() is None for process in both)
        time.sleep(0.02)
    os.kill(both[1].pid, signal.SIGKILL)
    statuses, text = ended(both, 60)
    assert 0 not in statuses
    assert text.count("fastflow compare: ") == 1, text
    assert "process 2 of 2 was killed or lost." in text
    assert "resume with: fastflow compare resume=run" in text
    statuses, text = ended(start("alone", "compare", "resume=run", cwd=str(tmp_path)))
    assert statuses == [0], text
    assert rows(tmp_path / "run") == rows(alone)


def test_times_of_different_devices_are_not_put_in_one_table():
    fast, slow, untimed = (
        MethodRow(name, 10, pairs=pairs, timed_on=kind)
        for name, pairs, kind in (
            ("a", [(2.0, 1.0)], "H200"),
            ("b", [(4.0, 2.0)], "H100"),
            ("c", [], ""),
        )
    )
    kept, told = of_one_kind([fast, slow, fast, untimed])
    assert [row.pairs for row in kept] == [[(2.0, 1.0)], [], [(2.0, 1.0)], []]
    assert told.startswith("Times are those on H200; those on H100 (1 rows) are left out")
    assert of_one_kind([fast, untimed]) == ([fast, untimed], "")
