"""Whatever is typed and whatever a file holds, a command says what is wrong in its own words.

300 cases by default; `make fuzz CASES=10000` tries more, and `FUZZ_SEED=N` others. A case is known
by its number: it can be repeated alone.
"""

import os
import random
import re
import time

import mutations
import pytest

from fastflow.cli import main

CASES = int(os.environ.get("FUZZ", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
PART = 25  # cases of one test
SLOWEST = 20.0  # seconds
RAW = re.compile(
    r"Traceback|Error merging|full_key|object_type|could not be converted|not a ListConfig|"
    r"DictConfig|ListConfig|Expecting |Extra data|Unterminated|Invalid control|while parsing|"
    r"while scanning|mapping values|could not determine a constructor|NoneType|no attribute|"
    r"KeyError|TypeError|IndexError|codec can't|out of range|recursion depth|unhashable|"
    r"unsupported operand|unexpected keyword|missing \d+ required|subscriptable|literal for int"
)
NAMES = re.compile(
    r"`[^`]+`|'[^']*'|usage: fastflow|[\w./-]+\.(json|jsonl|yaml|png|csv)", re.IGNORECASE
)


def said(status, words, capsys, seconds):
    """Returns what is wrong with an ending; empty if nothing is."""
    captured = capsys.readouterr()
    text = captured.err
    problems = []
    if status not in (0, 1, 2):
        problems.append(f"status {status}")
    if found := RAW.search(text):
        problems.append(f"raw: {found[0]}")
    if status and not NAMES.search(text):
        problems.append("names neither a file nor a setting")
    if seconds > SLOWEST:
        problems.append(f"took {seconds:.0f} s")
    return f"{problems}: {words}\n    {text.strip()[-500:]}" if problems else ""


def tried(words, capsys):
    """Runs a command in this process; returns its status and what is wrong with its ending."""
    start = time.monotonic()
    status = main(list(words))
    return status, said(status, words, capsys, time.monotonic() - start)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in; nothing is trained in it, and bugs are told there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("fastflow_minis.train", lambda *args, **options: "trained")
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and a finished comparison."""
    folder = tmp_path_factory.mktemp("finished")
    run = folder / "run"
    assert main(["sample", *mutations.RUN, f"out={run}"]) == 0
    comparison = folder / "comparison"
    assert main(["compare", *mutations.COMPARISON, f"out={comparison}"]) == 0
    return run, comparison


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(max(1, CASES // 2 // PART)))
def test_command_lines_end_in_words(part, here, capsys):
    wrong = []
    for number in range(part * PART, (part + 1) * PART):
        words, is_nonsense = mutations.command_line(random.Random(f"{SEED} {number}"))
        folder = here / str(number)
        folder.mkdir()
        os.chdir(folder)
        status, problem = tried(words, capsys)
        if is_nonsense and status == 0:
            problem += f"accepted nonsense: {words}"
        if problem:
            wrong.append(f"{number}: {problem}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(max(1, CASES // 2 // PART)))
def test_changed_files_end_in_words(part, here, capsys, finished):
    wrong = []
    for number in range(part * PART, (part + 1) * PART):
        draw = random.Random(f"{SEED} files {number}")
        is_run = draw.random() < 0.65
        folder = here / str(number)
        folder.mkdir()
        os.chdir(folder)
        path, how = mutations.changed_copy(draw, finished[not is_run], folder / "it")
        words = mutations.commands_for(draw, folder / "it", is_run)
        _, problem = tried(words, capsys)
        if problem:
            wrong.append(f"{number}: {how} {path.relative_to(folder)} {problem}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("word", mutations.ACCEPTED)
def test_what_looks_like_nonsense_and_is_accepted_runs(word, here, capsys):
    status, problem = tried(["sample", *mutations.RUN, "out=out", *word.split()], capsys)
    assert (status, problem) == (0, "")
