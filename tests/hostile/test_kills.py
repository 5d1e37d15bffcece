"""Commands killed at random moments: what was finished is kept, and a resume ends the same.

`make hostile` kills more often: KILLS sets how often with -9, and half as often with each of
SIGINT and SIGTERM.
"""

import csv
import os
import re
import shutil
import signal

import pytest
from killing import STATUS, Kills, Warm, own_lines
from killing_more import SAMPLES, KillsOfStudies, KillsOfSweeps, KillsOfTwo

FEW = 3
KILLS = int(os.environ.get("KILLS", str(FEW)))
FEWER = max(KILLS // 3, 1)  # of commands that take longer
SEED = int(os.environ.get("KILLS_SEED", "0"))
SAMPLE = ["sample", "model=mixture", "policy=ucb", "samples=10", "steps=12", "max_batch=2"]
COMPARE = ["compare", "model=mixture", "steps=12", "targets=[6]", "samples=3", "tuning=4"]
COMMANDS = {
    "sample": [*SAMPLE, "executor=inline", "metrics=[fidelity]"],
    "one process of lightning": [*SAMPLE, "executor.accelerator=cpu", "metrics=[fidelity]"],
    "compare": [
        *COMPARE,
        *("live=1", "pairs=1", "converged_steps=20", "metrics=[fidelity]"),
        "methods=[uniform,plan,ucb,oracle_linear_corrected]",
    ],
}
LONGER = [*SAMPLE, f"samples={SAMPLES}", "executor.accelerator=cpu", "metrics=[fidelity]"]
SWEEP = ["sample", "-m", *SAMPLE[1:], "samples=3", "executor=inline", "metrics=[fidelity]"]
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.timeout(120 + 60 * KILLS),
]
needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


@pytest.fixture(scope="module")
def warm():
    """Yields a process whose forks run commands."""
    one = Warm()
    yield one
    one.close()


@pytest.fixture
def killed(capsys):
    """Returns a function that kills a command so often with -9, and half as often otherwise."""

    def often(name, kills, count, half):
        for kill, times in (
            (signal.SIGKILL, count),
            (signal.SIGINT, half),
            (signal.SIGTERM, half),
        ):
            for _ in range(times):
                kills.one(kill)
        with capsys.disabled():
            if KILLS > FEW:
                print(f"\n{name}: {dict(kills.counts)}", flush=True)

    return often


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_is_resumed_to_the_same_end(name, warm, tmp_path, killed):
    kills = Kills(warm, COMMANDS[name], tmp_path, SEED)
    killed(name, kills, KILLS, KILLS // 2)


@needs_proc
def test_one_of_two_processes_is_killed_and_the_run_is_resumed_by_one(warm, tmp_path, killed):
    kills = KillsOfTwo(warm, LONGER, tmp_path, SEED, under_slurm=True)
    killed("two processes that Slurm starts", kills, FEWER, FEWER // 2)


@needs_proc
def test_one_of_two_processes_is_killed_also_before_both_have_met(warm, tmp_path, killed):
    kills = KillsOfTwo(warm, LONGER, tmp_path, SEED)
    killed("two processes", kills, FEWER, FEWER // 2)


@needs_proc
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_process_is_not_waited_for_whose_partner_ends_before_both_have_met(warm, tmp_path, kill):
    words = [*LONGER, "executor.devices=2", "out=run"]
    status, _, said = warm.run(words, tmp_path, seconds=1.5, kill=kill)
    assert status == STATUS[kill]
    why = r"process 1 of 2 \(pid \d+\) was killed or lost\."
    why = why if kill == signal.SIGKILL else "interrupted."
    (line,) = own_lines(said)
    assert re.fullmatch(f"fastflow: {why} The work had not begun: repeat the command.", line)
    assert not (tmp_path / "run").exists()


def test_a_killed_sweep_and_a_killed_study_end_the_same(warm, tmp_path, killed):
    words = [*SWEEP, "seed=0,7", "policy=ucb,every"]
    sweeps = KillsOfSweeps(warm, words, tmp_path, SEED)
    shutil.copytree(tmp_path / "run", tmp_path / "runs")
    studies = KillsOfStudies(warm, ["study", "../runs"], tmp_path / "study", SEED)
    killed("sweep", sweeps, FEWER, FEWER // 2)
    killed("study", studies, FEWER, FEWER // 2)
    status, _, said = warm.run(["study", "run", "out=of-resumed"], tmp_path)
    assert status == 0, said
    assert timeless(tmp_path / "of-resumed") == timeless(tmp_path / "study" / "run")


def timeless(study):
    """Returns the rows of a study's table without its columns of seconds."""
    with (study / "study.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if not re.search("seconds|wall", k)} for row in rows]
