"""Whatever is typed and whatever a file holds, a command says what is wrong in its own words.

300 cases by default; `make fuzz CASES=10000` tries more, and `FUZZ_SEED=N` others. A case is known
by its number: it can be repeated alone.
"""

import os
import random
import re
import shutil
import time
from pathlib import Path

import component_settings
import enabling
import foreign_files
import interrupted_training
import mutations
import pytest

from fastflow.cli import main

CASES = int(os.environ.get("FUZZ", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
PART = 25  # cases of one test
PROMPTS = Path(__file__).parents[1] / "data" / "benchmarks" / "evaluation_metadata.jsonl"
SLOWEST = 20.0  # seconds of computing; of a busy machine's time more may pass
HANGING = 120.0  # seconds that pass
RAW = re.compile(
    r"Traceback|Error merging|full_key|object_type|could not be converted|not a ListConfig|"
    r"DictConfig|ListConfig|Expecting |Extra data|Unterminated|Invalid control|while parsing|"
    r"while scanning|mapping values|could not determine a constructor|NoneType|no attribute|"
    r"KeyError|TypeError|IndexError|codec can't|out of range|recursion depth|unhashable|"
    r"unsupported operand|unexpected keyword|missing \d+ required|subscriptable|literal for int"
)
NAMES = re.compile(
    r"`[^`]+`|'[^']*'|\"[^\"]*\"|usage: fastflow|"
    r"[\w./-]+\.(json|jsonl|yaml|png|csv|txt|safetensors|pt|parquet|arrow)",
    re.IGNORECASE,
)


def parts(share):
    """Returns into how many tests a share of the cases is divided."""
    return max(1, round(CASES * share / PART))


def said(status, words, capsys, seconds):
    """Returns what is wrong with an ending; empty if nothing is."""
    captured = capsys.readouterr()
    text = captured.err
    problems = []
    if status not in (0, 1, 2):
        problems.append(f"status {status}")
    # what a model's settings mean is known to its library alone, which is quoted
    if found := RAW.search(re.split(r"\b(?:diffusers|transformers) says: ", text)[0]):
        problems.append(f"raw: {found[0]}")
    if status and not NAMES.search(text):
        problems.append("names neither a file nor a setting")
    if seconds[0] > SLOWEST or seconds[1] > HANGING:
        problems.append(f"computed for {seconds[0]:.0f} s of {seconds[1]:.0f} s")
    return f"{problems}: {words}\n    {text.strip()[-500:]}" if problems else ""


def tried(words, capsys):
    """Runs a command in this process; returns its status and what is wrong with its ending."""
    start = seconds_of()
    status = main(list(words))
    took = [now - before for now, before in zip(seconds_of(), start, strict=True)]
    return status, said(status, words, capsys, took)


def seconds_of():
    """Returns how long this process has computed, and the time."""
    return time.process_time(), time.monotonic()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in; nothing is trained in it, and bugs are told there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("fastflow_minis.training.trainer._train", interrupted_training.resumed)
    monkeypatch.setattr("fastflow_minis.training.trainer.export_mini", lambda *args: "trained")
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, one of a benchmark, a finished comparison and a finished sweep, by kind."""
    folder = tmp_path_factory.mktemp("finished")
    own = ["benchmark=geneval", "benchmark.repeats=1", "policy=every", f"prompts={PROMPTS}"]
    lines = {
        "run": ["sample", *mutations.RUN],
        "geneval": ["sample", *mutations.RUN[:4], "metrics=[]", "steps=4", *own],
        "comparison": ["compare", *mutations.COMPARISON],
        "sweep": ["sample", "-m", *mutations.RUN, "policy=ucb,every"],
    }
    for kind, words in lines.items():
        assert main([*words, f"out={folder / kind}"]) == 0
    return {kind: folder / kind for kind in lines}


def tried_in_turn(part, here, capsys, case):
    """Tries the cases of a part, each in a folder of its own; returns what is wrong."""
    wrong = []
    for number in range(part * PART, (part + 1) * PART):
        folder = here / str(number)
        folder.mkdir()
        os.chdir(folder)
        what, words, is_nonsense = case(number, folder)
        status, problem = tried(words, capsys)
        if is_nonsense and status == 0:
            problem += f"accepted nonsense: {words}"
        if problem:
            wrong.append(f"{number}: {what} {problem}")
        shutil.rmtree(folder)
    return "\n".join(wrong)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(parts(0.3)))
def test_command_lines_end_in_words(part, here, capsys):
    def case(number, folder):
        return "", *mutations.command_line(random.Random(f"{SEED} {number}"))

    assert not (wrong := tried_in_turn(part, here, capsys, case)), wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(parts(0.1)))
def test_odd_values_of_components_end_in_words(part, here, capsys):
    def case(number, folder):
        return "", *component_settings.setting(random.Random(f"{SEED} settings {number}"))

    assert not (wrong := tried_in_turn(part, here, capsys, case)), wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(parts(0.3)))
def test_changed_files_end_in_words(part, here, capsys, finished):
    def case(number, folder):
        draw = random.Random(f"{SEED} files {number}")
        return *foreign_files.changed(draw, finished, folder), False

    assert not (wrong := tried_in_turn(part, here, capsys, case)), wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(parts(0.3)))
def test_odd_arguments_of_enable_end_in_words_and_a_plain_pipeline(part, tmp_path):
    memory = enabling.learned(tmp_path)
    wrong = []
    for number in range(part * PART, (part + 1) * PART):
        (folder := tmp_path / str(number)).mkdir()
        draw = random.Random(f"{SEED} enable {number}")
        if problem := enabling.tried(*enabling.call(draw, memory, folder)):
            wrong.append(f"{number}: {problem}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("word", mutations.ACCEPTED)
def test_what_looks_like_nonsense_and_is_accepted_runs(word, here, capsys):
    status, problem = tried(["sample", *mutations.RUN, "out=out", *word.split()], capsys)
    assert (status, problem) == (0, "")
