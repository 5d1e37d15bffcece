"""Completion of words in a shell: `eval "$(fastflow --shell-completion install=bash)"`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastflow.commands.options import CHOICES
from fastflow.errors import UserError
from fastflow.words import APPLICATIONS

_ASK = "fastflow --shell-completion query"
BASH = f"""\
_fastflow_words() {{
  local IFS=$'\\n'
  COMPREPLY=($(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" {_ASK}=bash 2>/dev/null))
}}
complete -o nospace -o default -F _fastflow_words fastflow
"""
SCRIPTS = {
    "bash": BASH,
    "zsh": "autoload -U +X compinit bashcompinit && compinit && bashcompinit\n" + BASH,
    "fish": f"complete -c fastflow -a '(COMP_LINE=(commandline -cp) {_ASK}=fish 2>/dev/null)'\n",
}
USAGE = "fastflow --shell-completion install=bash, install=zsh or install=fish"


def complete(words: Sequence[str], commands: Mapping[str, Any]) -> None:
    """Prints what a shell needs to complete words, or the words that may stand at the cursor.

    Args:
        words: the option and what is asked: ``install=SHELL``, or ``query=SHELL`` with the line in
            the environment, as Bash sets it.
        commands: all commands, by name.

    Raises:
        UserError: for another word.
    """
    asked = words[-1].removeprefix(f"{words[0].partition('=')[0]}=")
    what, _, shell = asked.partition("=")
    if what not in ("install", "query") or shell not in SCRIPTS:
        raise UserError(f"usage: {USAGE}")
    if what == "install":
        print(SCRIPTS[shell], end="")
        return
    line = os.environ.get("COMP_LINE", "")
    point = os.environ.get("COMP_POINT", "")
    before, word = typed(line[: int(point)] if point.isdigit() else line)
    cut = max(word.rfind("="), word.rfind(":")) + 1 if shell != "fish" else 0  # words to Bash
    for found in sorted(set(candidates(before, word, commands))):
        print(found[cut:])


def typed(line: str) -> tuple[list[str], str]:
    """Returns the whole words of a line after ``fastflow``, and the one at its end."""
    words = line.split()[1:]
    return (words, "") if not line or line[-1].isspace() else (words[:-1], words[-1])


def candidates(before: Sequence[str], word: str, commands: Mapping[str, Any]) -> Iterator[str]:
    """Yields what may stand at the cursor.

    Args:
        before: the whole words before it, the command first.
        word: what is typed of the word at the cursor.
        commands: all commands, by name.
    """
    if not before:
        yield from (name for name in commands if name.startswith(word))
    elif before[0] in APPLICATIONS:
        found = _options(before) if word.startswith("-") else _settings(before, word)
        yield from (one for one in found if one.startswith(word))


def _options(before: Sequence[str]) -> Iterator[str]:
    yield from (*CHOICES, "--multirun", "--config-dir", "--help", "--traceback")


def _settings(before: Sequence[str], word: str) -> Iterator[str]:
    """Yields the settings, or the values of one, that a command takes after other words."""
    from fastflow.registry.applications.sweep_words import names_of_group
    from fastflow.registry.compose import shape_of
    from fastflow.registry.nesting import keys_of
    from fastflow.registry.preset_folders import GROUPS

    if before[-1] in CHOICES:
        yield from CHOICES[before[-1]]
        return
    key, equals, value = word.partition("=")
    if equals:
        first = word[: len(word) - len(value) + value.rfind(",") + 1]
        yield from (first + name for name in names_of_group(key))
        return
    chosen = [w for w in before[1:] if re.fullmatch(r"\w+=[\w.]+", w)]
    shape = shape_of(chosen, before[0], _own(before[0]))
    yield from (f"{name}=" for name in (*GROUPS, "hydra/launcher", "hydra/sweeper"))
    for name in (name for name in keys_of(shape) if name.startswith(word)):
        rest = name[len(word) :].partition(".")
        yield f"{name}=" if not rest[1] else f"{word}{rest[0]}."


def _own(command: str) -> type:
    """Returns the dataclass of a command's own settings."""
    if command == "compare":
        from fastflow.comparison.comparison_settings import ComparisonSettings

        return ComparisonSettings
    from fastflow.runs.run_settings import RunSettings

    return RunSettings
