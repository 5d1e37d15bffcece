"""A run, a benchmark's run and a comparison, made once and copied for each test to spoil."""

import shutil
import sys
from pathlib import Path

import pytest

from fastflow.cli import main

PROMPTS = Path(__file__).parents[1] / "data" / "benchmarks" / "evaluation_metadata.jsonl"
INLINE = ("model=mixture", "executor=inline", "metrics=[fidelity]")
RAN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pty.spawn")

_seen: list[tuple[str, str]] = []
_watching = [False]


def _watch(event, arguments):
    if _watching[0] and event in (*RAN, "open", "os.remove", "os.rename", "shutil.rmtree"):
        _seen.append((event, str(arguments[0]) if arguments else ""))


sys.addaudithook(_watch)  # for the whole process: there is no way to take one away


@pytest.fixture
def deeds():
    """Returns a list of what the interpreter does meanwhile: (event, its first argument)."""
    _seen.clear()
    _watching[0] = True
    yield _seen
    _watching[0] = False


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Returns the folder that holds a directory of each kind."""
    folder = tmp_path_factory.mktemp("made")
    words = ["samples=4", "steps=12", "policy=ucb", "policy.warmup_samples=2"]
    assert main(["sample", *INLINE, *words, f"out={folder / 'run'}"]) == 0
    own = ["benchmark=geneval", "benchmark.repeats=1", f"prompts={PROMPTS}", "policy=every"]
    assert main(["sample", *INLINE, *own, "steps=8", f"out={folder / 'geneval'}"]) == 0
    quick = ["steps=12", "targets=[6]", "samples=3", "tuning=4", "live=1", "pairs=1"]
    quick += ["converged_steps=20", "methods=[uniform,plan,oracle_linear_corrected]"]
    words = ["compare", "model=mixture", "metrics=[fidelity]", *quick]
    assert main([*words, f"out={folder / 'comparison'}"]) == 0
    return folder


@pytest.fixture
def spoilt(made, tmp_path):
    """Returns a function that copies a directory, to be spoilt."""

    def copy(kind):
        return shutil.copytree(made / kind, tmp_path / kind)

    return copy
