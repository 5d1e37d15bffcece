"""Commands killed at random moments: what was finished is kept, and a resume ends the same.

`make hostile` kills more often: KILLS sets how often with -9, and half as often with each of
SIGINT and SIGTERM.
"""

import os
import signal

import pytest
from killing import Kills, Warm

KILLS = int(os.environ.get("KILLS", "4"))
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
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture(scope="module")
def warm():
    """Yields a process whose forks run commands."""
    one = Warm()
    yield one
    one.close()


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.timeout(60 + 60 * KILLS)
def test_a_killed_command_is_resumed_to_the_same_end(name, warm, tmp_path, capsys):
    kills = Kills(warm, COMMANDS[name], tmp_path, SEED)
    for kill, count in (
        (signal.SIGKILL, KILLS),
        (signal.SIGINT, KILLS // 2),
        (signal.SIGTERM, KILLS // 2),
    ):
        for _ in range(count):
            kills.one(kill)
    with capsys.disabled():
        if KILLS > 4:
            print(f"\n{name}: {dict(kills.counts)}")
