"""What every test runs under: one thread a worker unless told, no network, the same seeds."""

import os
from dataclasses import dataclass

from last_lines import NOT_TESTED  # before all that says something at exit

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"

import random
import signal

import numpy as np
import pytest
import torch

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture(autouse=True)
def seeds():
    """Seeds the global generators, for what still uses them."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@dataclass
class Done:
    """A command's exit status and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(capsys):
    """Returns a function that runs a command in this process."""
    from fastflow.cli import main

    def run(*words):
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


def pytest_configure(config):
    """Lets the tests' processes hear Ctrl-C, also if a shell started them in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config):
    """Notes what was not tested and why."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(config, "workerinput"):
        reasons = {skipped.longrepr[2] for skipped in reporter.stats.get("skipped", ())}
        NOT_TESTED.extend(sorted(reason.removeprefix("Skipped: ") for reason in reasons))
