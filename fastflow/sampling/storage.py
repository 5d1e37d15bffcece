"""Files: read with messages that name the place, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastflow.policies.memory import Memory


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that a reader sees the old one or the new one, also after a kill."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def read_text(path: Path, name: str, wanted: str) -> str:
    """Reads a text file.

    Args:
        path: the file.
        name: what it is to the reader, such as ``"`prompts`"``.
        wanted: what it should be, for the message.

    Raises:
        ValueError: if there is none, or it is not UTF-8 text.
    """
    if not path.is_file():
        raise ValueError(f"{_label(path, name)} does not exist. Give {wanted}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{_label(path, name)} is not UTF-8 text: {error}.") from error


def read_objects(
    path: Path, name: str, wanted: str, on_cut: Callable[[str], None] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the objects of a JSON-lines file, each after where it stands, for messages.

    Args:
        path: the file.
        name: what it is to the reader, such as ``"`prompts`"``; empty if the path says it.
        wanted: what it should be, for the message.
        on_cut: called with the path if the last line was cut off, as a killed process leaves it;
            such a line is an error if None.

    Raises:
        ValueError: if there is no such text file, or a line of it is not a JSON object.
    """
    lines = read_text(path, name, wanted).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{_label(path, name)}, line {number},"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if on_cut is not None and not any(rest.strip() for rest in lines[number:]):
                on_cut(str(path))
                return
            raise ValueError(f"{where} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise ValueError(f"{where} must hold an object, got {line.strip()[:60]}.")
        yield where, row


def _label(path: Path, name: str) -> str:
    return f"{name} {str(path)!r}" if name else str(path)


class DiskFull(RuntimeError):
    """The disk filled; what was written before stays valid and can be resumed."""


@contextmanager
def writing(path: Path, command: str = "sample", again: str = "") -> Iterator[None]:
    """Turns a full disk into an error that says what is kept and how to go on.

    Args:
        path: what is written.
        command: the command that resumes what the folder of ``path`` holds.
        again: what to do instead of resuming.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DiskFull(
            f"the disk is full: {path} could not be written. All that was finished is kept; "
            + (again or f"make room, then go on with: fastflow {command} resume={path.parent}")
        ) from error


def make_folder(path: Path, command: str) -> None:
    """Makes a new folder with one for images in it.

    Raises:
        ValueError: if it exists and is not empty.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(
            f"`out` {str(path)!r} exists already, and nothing is overwritten. Choose another "
            f"name, or finish that run with: fastflow {command} resume={path}"
        )
    (path / "images").mkdir(parents=True, exist_ok=True)


@contextmanager
def read_memory(path: Path) -> Iterator[dict[str, Any]]:
    """Gives the content of a saved memory; what goes wrong inside names the file."""
    if not path.is_file():
        raise ValueError(f"`memory` {str(path)!r} does not exist.")
    try:
        yield json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"`memory` {str(path)!r} is not a whole JSON file ({error}): "
            "it was cut off or is something else. Use another copy, or learn again."
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"`memory` {str(path)!r} is not a memory of this policy ({error!r}). "
            "Use a memory.json that a run of this policy wrote."
        ) from error


def read_summary(path: Path) -> str:
    """Returns the table that `save_memory` wrote with what was learned, of whatever policy.

    Raises:
        ValueError: if the file is missing or is not a memory.
    """
    try:
        return "\n".join(json.loads(path.read_text())["summary"])
    except FileNotFoundError:
        raise ValueError(f"{str(path)!r} does not exist.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} holds no memory ({error!r}).") from error


def save_memory(memory: Memory, path: Path) -> None:
    """Writes a memory as JSON with its table in plain text, whole or not at all."""
    content = memory.to_dict() | {"summary": memory.summary().splitlines()}
    write_whole(path, json.dumps(content, indent=1))


def load_memory(memory: Memory, path: Path) -> Memory:
    """Reads a file that `save_memory` wrote for the same key into a memory, and returns it.

    Raises:
        ValueError: naming the file, if it is not a whole memory, or one of another key.
    """
    with read_memory(path) as content:
        memory.load_dict(content)
    return memory
