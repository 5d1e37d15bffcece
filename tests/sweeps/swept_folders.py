"""Sweeps on the mixture, in processes of their own, and what they leave behind."""

import json
import os
import subprocess
import sys

COMMON = (
    "model=mixture",
    "samples=3",
    "steps=12",
    "metrics=[fidelity]",
    "executor=inline",
    "executor.progress=false",
)


def in_a_process(*words, **options):
    """Starts fastflow as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "fastflow.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        **options,
    )


def runs_of(path):
    """Returns the runs that the file of a sweep names."""
    return json.loads((path / "sweep.json").read_text())["runs"]


def numbers_of(run):
    """Returns what does not depend on a clock: decisions, and the summary."""
    summary = json.loads((run / "summary.json").read_text())
    timed = [name for name in summary if name.startswith("speedup_wall")]
    for name in timed:
        del summary[name], summary["intervals"][name]
    return (run / "records.jsonl").read_text(), summary
