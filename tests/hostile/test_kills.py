"""Commands killed at random moments: what was finished is kept, and a resume ends the same.

`make hostile` kills more often: KILLS sets how often with -9, and half as often with each of
SIGINT and SIGTERM.
"""

import os
import signal

import pytest
from killing import Kills, Warm
from killing_more import KillsOfStudies, KillsOfSweeps, KillsOfTwo, study_of

KILLS = int(os.environ.get("KILLS", "4"))
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
LONGER = [*SAMPLE, "samples=40", "executor.accelerator=cpu", "metrics=[fidelity]"]
SWEEP = ["sample", "-m", *SAMPLE[1:], "samples=4", "executor=inline", "metrics=[fidelity]"]
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
            if KILLS > 4:
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
    words = [*LONGER, "executor.devices=2"]
    kills = KillsOfTwo(warm, words, tmp_path, SEED)
    killed("two processes", kills, FEWER, FEWER // 2)


def test_a_killed_sweep_is_resumed_to_the_same_end(warm, tmp_path, killed):
    kills = KillsOfSweeps(warm, [*SWEEP, "seed=0,7", "policy=ucb,every"], tmp_path, SEED)
    killed("sweep", kills, FEWER, FEWER // 2)
    (tmp_path / "other").mkdir()
    expected = study_of(warm, tmp_path / "whole", tmp_path / "whole" / "run")
    assert study_of(warm, tmp_path / "other", tmp_path / "run")["study.csv"] == (
        expected["study.csv"]
    )


def test_a_killed_study_is_repeated_to_the_same_end(warm, tmp_path, killed):
    (tmp_path / "runs").mkdir()
    for seed in (0, 1, 2):
        words = [*COMMANDS["sample"], "samples=4", f"seed={seed}", f"out={seed}"]
        status, _, said = warm.run(words, tmp_path / "runs")
        assert status == 0, said
    kills = KillsOfStudies(warm, ["study", str(tmp_path / "runs")], tmp_path / "killed", SEED)
    killed("study", kills, FEWER, FEWER // 2)
