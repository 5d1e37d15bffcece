"""Text, JSON and YAML within bounds of size and depth, with messages of our own."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml

LARGEST_FILE = 1 << 30  # bytes of a file
LONGEST = 64 << 20  # characters of a line of JSON
LARGEST_YAML = 8 << 20  # characters; YAML is read slowly
DEEPEST_LEVEL = 50  # lists and objects inside each other

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is ten times as fast
_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class NotJSON(ValueError):
    """Raised for a text that is not JSON, or not the whole of one, as after a killed process."""


def read_bounded(path: Path, label: str, expected: str, largest: int = LARGEST_FILE) -> str:
    """Reads a UTF-8 text file; a byte order mark at its beginning is left out.

    A pipe or a device is refused unopened, so that nothing waits for it.

    Args:
        path: the file.
        label: what it is, for messages, such as ``"`prompts` 'a.txt'"``.
        expected: what it should be, for messages.
        largest: the most bytes that it may have.

    Raises:
        ValueError: if there is no such file, or it is none, too large or not UTF-8.
    """
    check_file(path, label, expected)
    with path.open("rb") as file:
        raw = file.read(largest + 1)
    if len(raw) > largest:
        raise ValueError(f"{label} is larger than {largest >> 20} MB. Give {expected}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, at = raw[error.start], error.start + 1
        raise ValueError(
            f"{label} is not UTF-8 text: byte {at} is 0x{byte:02x}. Give {expected}."
        ) from error


def check_file(path: Path, label: str, expected: str) -> None:
    """Raises a ValueError unless a path is a file; a pipe or a device is not opened.

    Args:
        path: the path.
        label: what it is, for messages.
        expected: what it should be, for messages.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if error.errno not in _NOWHERE:
            raise
        raise ValueError(f"{label} does not exist. Give {expected}.") from error
    except UnicodeEncodeError as error:
        raise ValueError(f"{label} is no path: it holds half a character.") from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise ValueError(f"{label} is no path: it holds a null character.") from error
    if not stat.S_ISREG(mode):
        kind = "is a folder" if stat.S_ISDIR(mode) else "is a pipe or a device and no file"
        raise ValueError(f"{label} {kind}. Give {expected}.")


def parse_json(text: str, where: str) -> Any:
    """Returns the content of a JSON text.

    Args:
        text: the text.
        where: begins a message, such as ``"samples.jsonl, line 3,"``.

    Raises:
        NotJSON: if it is not JSON.
        ValueError: if it holds half a character, or is nested too deeply.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].strip()
        if not rest or error.msg.startswith("Unterminated"):
            raise NotJSON(f"{where} is not JSON: it is empty or cut off.") from error
        raise NotJSON(
            f"{where} is not JSON from character {error.pos + 1} on, at {rest[:20]!r}."
        ) from error
    except RecursionError as error:
        raise ValueError(_too_deep(where)) from error
    except ValueError as error:  # of int(), for thousands of digits
        raise ValueError(f"{where} holds a number of too many digits.") from error
    if text.count("[") + text.count("{") > DEEPEST_LEVEL:
        _check_depth(content, where)
    if _ESCAPED_HALF.search(text):
        _check_letters(content, where)
    return content


def parse_yaml(text: str, where: str) -> Any:
    """Returns the content of a YAML text; nothing in it is run, imported, resolved or repeated.

    Raises:
        ValueError: beginning with ``where``, if it is not plain YAML, repeats a part by an alias,
            holds what JSON could not hold, or is too large or nested too deeply.
    """
    if len(text) > LARGEST_YAML:
        raise ValueError(f"{where} is larger than {LARGEST_YAML >> 20} MB.")
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1
                raise ValueError(
                    f"{where} has an alias in line {line}, *{event.anchor}: write out what it "
                    "repeats."
                )
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST_LEVEL:
                raise ValueError(_too_deep(where))
        content = yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{where} cannot be read: it is not plain YAML{place}.") from error
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{where} cannot be read: it is not plain YAML.") from error
    except ValueError as error:
        if str(error).startswith(where):
            raise
        raise ValueError(f"{where} cannot be read: a number or a date in it is none.") from error
    _check_plain(content, where)
    return content


def _too_deep(where: str) -> str:
    return f"{where} is nested more than {DEEPEST_LEVEL} levels deep."


def _check_depth(content: Any, where: str) -> None:
    level = [content]
    for _ in range(DEEPEST_LEVEL + 1):
        parts = (p.values() if isinstance(p, dict) else p for p in level)
        level = [part for of in parts for part in of if isinstance(part, dict | list)]
        if not level:
            return
    raise ValueError(_too_deep(where))


def _check_letters(content: Any, where: str) -> None:
    """Raises a ValueError if a text holds half a character, which no file can be written with."""
    if isinstance(content, str) and _HALF.search(content):
        raise ValueError(f"{where} holds half a character: {content[:60]!r}.")
    if isinstance(content, dict):
        for name, value in content.items():
            _check_letters(name, where)
            _check_letters(value, where)
    elif isinstance(content, list):
        for value in content:
            _check_letters(value, where)


def _check_plain(content: Any, where: str, name: str = "") -> None:
    """Raises a ValueError if YAML holds a date, bytes, a set, or a name that is no text."""
    if isinstance(content, dict):
        for key, value in content.items():
            if not isinstance(key, str):
                raise ValueError(f"{where} has the name {key!r} in `{name}`: names must be text.")
            _check_plain(value, where, f"{name}.{key}".lstrip("."))
    elif isinstance(content, list):
        for i, value in enumerate(content):
            _check_plain(value, where, f"{name}.{i}".lstrip("."))
    elif not isinstance(content, str | int | float | bool | None):
        raise ValueError(
            f"{where} `{name}` must be text, a number, true, false, null, a list or a mapping, "
            f"got {str(content)[:40]!r}. Put text in quotes."
        )
    elif isinstance(content, str) and _HALF.search(content):
        raise ValueError(f"{where} `{name}` holds half a character.")
