"""Writes bad_input.md: what was given and what fastflow says, from the tests' own cases.

Its text and commands are those of ``tests/docs/bad_input.md``, its tables those of ``tests/fuzz``.
Run ``make components`` after changing one of them; a test fails while the page is out of date.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from fastflow.cli import main
from fastflow_minis import zoo

PAGE = Path(__file__).with_name("bad_input.md")
TESTS = PAGE.parents[1] / "tests"
sys.path.append(str(TESTS / "fuzz"))

import mutations  # noqa: E402
from damaged_files import DAMAGED, damage  # noqa: E402

COMMAND = re.compile(r"^```console\n\$ fastflow (.*)\n```$", re.MULTILINE)
TABLE = re.compile(r"^<!-- table: (.*) -->$", re.MULTILINE)


def page() -> str:
    """Returns the page."""
    source = (TESTS / "docs" / "bad_input.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        return TABLE.sub(lambda found: "\n".join(TABLES[found[1]]()), _commands(source))


def _commands(source: str) -> str:
    """Returns a page with what each of its commands says."""
    Path("something").touch()
    return COMMAND.sub(lambda found: _shown(found[1]), source)


def answer(words: Sequence[str]) -> str:
    """Returns what a command says on the error stream, from its name on.

    Raises:
        ValueError: if it does not refuse the words as a user's mistake.
    """
    said = StringIO()
    with redirect_stderr(said), redirect_stdout(StringIO()):
        status = main(list(words))
    if status != 2:
        raise ValueError(f"{shlex.join(words)} ended with {status}: {said.getvalue()}")
    text = said.getvalue()
    return " ".join(text[text.index(f"fastflow {words[0]}:") :].split())


def _shown(command: str) -> str:
    wrapped = textwrap.fill(
        answer(shlex.split(command)), 102, break_long_words=False, break_on_hyphens=False
    )
    return f"```console\n$ fastflow {command}\n{wrapped}\n```"


def _command_lines() -> Iterator[str]:
    for command in mutations.NONSENSE:
        yield from command_lines(command)


def command_lines(command: str) -> Iterator[str]:
    """Yields the lines of a command's table."""
    yield f"### `fastflow {command}`\n"
    yield "| given | fastflow says |"
    yield "| --- | --- |"
    for line in mutations.NONSENSE[command]:
        words = [*command.split(), *mutations.QUICK.get(command, ())]
        words += ["out=out"] if command in mutations.WITH_OUT else []
        said = answer([*words, *line.split()]).removeprefix(f"fastflow {words[0]}: ")
        yield f"| {_code(line)} | {_cell(said)} |"
    yield ""


def file_lines() -> Iterator[str]:
    """Yields the lines of the table of damaged files."""
    yield "| file | what it is now | command | fastflow says |"
    yield "| --- | --- | --- | --- |"
    made = {
        "run": ["sample", *mutations.RUN, "out=run"],
        "comparison": ["compare", *mutations.COMPARISON, "out=comparison"],
    }
    with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
        for words in made.values():
            main(words)
    shutil.copytree(zoo.folder("flux_mini"), "flux_mini")
    for file, become, command in DAMAGED:
        with tempfile.TemporaryDirectory(dir=".") as copy, chdir(copy):
            for kind in (*made, "flux_mini"):
                shutil.copytree(f"../{kind}", kind)
            damage(Path(file), become)
            words = shlex.split(command)
            said = answer(words).removeprefix(f"fastflow {words[0]}: ")
        yield f"| `{file}` | {_cell(become)} | `{command}` | {_cell(said)} |"


def _accepted() -> Iterator[str]:
    yield "| given | why |"
    yield "| --- | --- |"
    for word, reason in mutations.ACCEPTED.items():
        yield f"| {_code(word)} | {_cell(reason)} |"


def _code(text: str) -> str:
    return f"`{_bars(text)}`" if text else "nothing"


def _cell(text: str) -> str:
    """Returns a text for a table: nothing in it is markup but code."""
    for letter in "<*_~[":
        text = re.sub(rf"(`[^`]*`)|\{letter}", lambda m: m[1] or "\\" + m[0], text)
    return _bars(text)


def _bars(text: str) -> str:
    return text.replace("|", "\\|")


TABLES = {"command lines": _command_lines, "files": file_lines, "accepted": _accepted}

if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
