"""The adapter of docs/write_a_model.md is installed, checked and used as the page shows it."""

import re
import shlex
from pathlib import Path

import pytest
from own_package import own_package

from fastflow.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "write_a_model.md"
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
BLOCKS = [(kind, title, text) for kind, title, text in FENCE.findall(PAGE.read_text("utf-8"))]
FILES = {title: text for kind, title, text in BLOCKS if title.endswith(".py")}
COMMANDS = [
    shlex.split(line.removeprefix("$ fastflow "))
    for kind, _, text in BLOCKS
    if kind == "console"
    for line in text.splitlines()
]


@pytest.fixture(scope="module")
def paint(tmp_path_factory):
    """Installs the two files of the page."""
    with own_package(tmp_path_factory.mktemp("adapter"), FILES, "adapter") as folder:
        yield folder


def test_the_adapter_has_about_sixty_lines():
    assert len([line for line in FILES["adapter.py"].splitlines() if line.strip()]) <= 60


def test_it_keeps_the_rules(paint):
    (code,) = [text for _, title, text in BLOCKS if title == "check"]
    exec(compile(code, str(PAGE), "exec"), {})


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_its_commands_run(paint, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quiet = ["executor=inline", "executor.progress=false"] if words[0] == "sample" else []
    assert main([*words, *quiet]) == 0


def test_another_word_is_refused(paint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "model=paint", "prompt=pink", "executor=inline", "out=run"]) == 2
    assert "`prompt` must be red, green or blue, got 'pink'." in capsys.readouterr().err
