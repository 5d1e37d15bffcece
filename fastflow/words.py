"""The words of a command line: paths, settings of the form key=value, and flags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

MOST_DIGITS = 4000  # of a number; Python reads a few more
TOO_MANY_DIGITS = rf"\d{{{MOST_DIGITS + 1}}}"
LETTERS_TOLD = 100  # letters of a setting's name in a message
HELP = ("-h", "--help")
APPLICATIONS = ("sample", "compare", "calibrate")  # composed by Hydra, with a help of their own


def check_words(words: Sequence[str]) -> None:
    """Raises a ValueError for a word that is not text, or holds a number that Python cannot read.

    Bytes that are not text are those that the shell passed on as such.
    """
    if broken := [word for word in words if re.search("[\ud800-\udfff]", word)]:
        raise ValueError(f"{broken[0]!r} holds bytes that are not UTF-8. Give it in UTF-8.")
    if endless := [word for word in words if re.search(TOO_MANY_DIGITS, word)]:
        name = endless[0].partition("=")[0][:LETTERS_TOLD]
        raise ValueError(f"`{name}` holds a number of more than {MOST_DIGITS} digits.")


def path_and_options(
    words: list[str], usage: str, names: Sequence[str]
) -> tuple[Path, dict[str, str]]:
    """Separates the run directory from the ``key=value`` words."""
    paths, options = paths_and_options(words, usage, names)
    return one_path(paths, usage), options


def paths_and_options(
    words: list[str], usage: str, names: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Separates the paths, which may hold a ``=``, from the ``key=value`` words."""
    pairs = {word: word.partition("=") for word in words if "=" in word}
    options = {key: value for key, _, value in pairs.values() if key in names}
    paths = [word for word in words if word not in pairs or pairs[word][0] not in names]
    for word in paths:
        if re.match(r"[\w-]+=", word) and not Path(word).exists():
            raise ValueError(f"there is no setting `{pairs[word][0]}`. Usage: fastflow {usage}")
    if empty := [key for key, value in options.items() if not value]:
        raise ValueError(f"`{empty[0]}` is empty. Usage: fastflow {usage}")
    return paths, options


def flag(name: str, options: dict[str, str]) -> bool:
    """Returns a setting that is true or false; false if it is not given."""
    value = options.get(name, "false")
    if value not in ("true", "false"):
        raise ValueError(f"`{name}` must be true or false, got {value!r}.")
    return value == "true"


def one_path(words: list[str], usage: str) -> Path:
    """Returns the only word, a path; raises a ValueError with the usage for more or none."""
    if len(words) != 1 or not words[0]:
        raise ValueError(f"usage: fastflow {usage}")
    return Path(words[0])
