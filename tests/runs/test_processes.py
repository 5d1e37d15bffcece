"""Lightning runs several processes: two give the same results as one."""

import json
import os
import subprocess
import sys


def run(path, *overrides):
    words = [
        "model=mixture",
        "policy=ucb",
        "samples=20",
        f"out={path}",
        "executor.accelerator=cpu",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "fastflow.cli", "sample", *words, *overrides],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]
    memory = json.loads((path / "memory.json").read_text())
    return {row["index"]: row["computed"] for row in rows}, memory["reward"], done.stdout


def test_two_processes_give_the_same_results_as_one(tmp_path):
    one, learned, _ = run(tmp_path / "one")
    two, also_learned, printed = run(
        tmp_path / "two", "executor.devices=2", "executor.strategy=ddp"
    )
    assert one == two
    assert learned == also_learned
    assert printed.strip().splitlines().count(str(tmp_path / "two")) == 1
