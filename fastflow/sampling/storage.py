"""Files: reading with messages that name file and line, and writing all or nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from fastflow.errors import Failed
from fastflow.policies.memory import Memory
from fastflow.sampling.foreign import NotJSON, check_memory, check_schema, parse_json, read_bounded
from fastflow.sampling.foreign.bounded import LONGEST


def command_line(*words: str) -> str:
    """Returns a command as it can be typed into a shell, whatever its paths hold."""
    return shlex.join(("fastflow", *words))


LOCK, HOLDER = ".lock", ".lock.json"  # a directory's lock, and who holds it
FOLDERS = ("rows", "images")  # made before anything is written
UNFINISHED = re.compile(r"\.\d+-[0-9a-f]{8}\.part")  # what a killed process was writing


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a path to write to, and puts the file in place at the end: all of it or nothing.

    The path yielded is in the same folder, and no other process writes to it.
    """
    part = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def write_whole(path: Path, text: str) -> None:
    """Writes a text file atomically: a reader sees the old text or the new, even after a kill."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def read_text(path: Path, name: str, expected: str) -> str:
    """Reads a text file.

    Args:
        path: the file.
        name: what the file is to the user, such as ``"`prompts`"``.
        expected: what the file should be, for the message.

    Raises:
        ValueError: if the file does not exist, or is not UTF-8 text.
    """
    return read_bounded(path, _label(path, name), expected)


def read_objects(
    path: Path, name: str, expected: str, on_cut: Callable[[str], None] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the objects of a JSON-lines file, each with its file and line for messages.

    Args:
        path: the file.
        name: what the file is to the user, such as ``"`prompts`"``; empty if the path is enough.
        expected: what the file should be, for the message.
        on_cut: called with the path if the last line is cut off, as after a killed process; if
            None, such a line is an error.

    Raises:
        ValueError: if the file does not exist or is not text, or a line is not a JSON object.
    """
    lines = read_text(path, name, expected).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{_label(path, name)}, line {number},"
        if len(line) > LONGEST:
            raise ValueError(f"{where} is longer than {LONGEST >> 20} MB.")
        try:
            row = parse_json(line, where)
        except NotJSON:
            if on_cut is not None and not any(rest.strip() for rest in lines[number:]):
                on_cut(str(path))
                return
            raise
        if not isinstance(row, dict):
            raise ValueError(f"{where} must hold an object, got {line.strip()[:60]}.")
        yield where, row


def read_object(path: Path) -> dict[str, Any]:
    """Reads a file that holds one JSON object.

    Raises:
        ValueError: if the file does not exist, or does not hold a whole object.
    """
    again = "Remove the file; resuming the run writes it anew."
    text = read_text(path, "", "a finished run's folder")
    try:
        content = parse_json(text, str(path))
    except ValueError as error:
        raise ValueError(f"{error} {again}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold an object, got {text.strip()[:60]}. {again}")
    return content


def _label(path: Path, name: str) -> str:
    return f"{name} {str(path)!r}" if name else str(path)


FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota is used up",
    errno.EFBIG: "no file may become so large here",
}


class NotWritten(Failed):
    """Raised when a file cannot be written; what was written before is valid."""


class DiskFull(NotWritten):
    """Raised when the disk is full; what was written before is valid and can be resumed."""


@contextmanager
def writing(path: Path, command: str = "sample", again: str = "") -> Iterator[None]:
    """Turns an error of the system into one that states what is kept and how to resume.

    Args:
        path: the file that is written.
        command: the command that resumes the run in the folder of ``path``.
        again: what to do to repeat a run that cannot be resumed.

    Raises:
        DiskFull: if the disk is full.
        NotWritten: if the file cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        resume = f"resume={path.parent}"
        if error.errno is None or error.errno == errno.EPIPE:
            raise
        is_full = error.errno in FULL
        why, kind = FULL.get(error.errno, error.strerror), DiskFull if is_full else NotWritten
        mend = "make room" if is_full else "mend that"
        raise kind(
            f"{why}: '{error.filename or path}' could not be written. "
            "All that was finished is kept; "
            + (again or f"{mend}, then go on with: {command_line(command, resume)}")
        ) from error


def make_folder(path: Path, command: str) -> bool:
    """Makes a new directory for a command's files, unless there is an empty one already.

    Returns:
        Whether it was made; one that was there belongs to somebody else.

    Raises:
        ValueError: if the directory exists and is not empty.
    """
    check_empty(path, command)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir()
    except FileExistsError:
        check_empty(path, command)  # another process was faster
        return False
    return True


def check_empty(path: Path, command: str) -> None:
    """Raises a ValueError if a path is a file, or a directory that holds anything.

    A lock is not counted, nor is what a process left that was killed before it had begun.
    """
    if not path.exists():
        return
    if not path.is_dir() or not all(map(is_left, path.iterdir())):
        raise ValueError(
            f"`out` {str(path)!r} exists already, and nothing is overwritten. Choose another "
            f"name, or finish that run with: {command_line(command, f'resume={path}')}"
        )


def is_left(path: Path) -> bool:
    """Returns whether a killed process may have left this before it wrote its configuration."""
    if path.name in FOLDERS and path.is_dir():
        return not any(path.iterdir())
    return path.name in (LOCK, HOLDER) or UNFINISHED.fullmatch(path.name) is not None


def numbered_folder(path: Path) -> Path:
    """Makes a directory of this name, or with the first number behind it that is free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("unreachable")


@contextmanager
def read_memory(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the content of a saved memory; errors inside the context name the file.

    Raises:
        ValueError: if the file does not exist, or is not a memory of the policy.
    """
    name, wanted = f"`memory` {str(path)!r}", "Use a memory.json that a run of this policy wrote."
    try:
        content = parse_json(read_bounded(path, name, "a memory.json"), name)
    except NotJSON as error:
        raise ValueError(
            f"{name} is not a whole JSON file: it was cut off or is something else. "
            "Use another copy, or learn again."
        ) from error
    try:
        check_memory(content, name)
    except ValueError as error:
        raise ValueError(f"{error} {wanted}") from error
    try:
        yield content
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        lacking = f": it has no {error}" if isinstance(error, KeyError) else ""
        raise ValueError(f"{name} is not a memory of this policy{lacking}. {wanted}") from error
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(name) else f"{name}: {text}") from error


def read_summary(path: Path) -> str:
    """Returns the plain-text table in a file that `save_memory` wrote, of any policy.

    Raises:
        ValueError: if the file does not exist, or is not a memory.
    """
    name = repr(str(path))
    content = parse_json(read_bounded(path, name, "a memory.json"), name)
    if not isinstance(content, dict) or "summary" not in content:
        raise ValueError(f"{name} is not a memory: it has no `summary`.")
    check_schema(list[str], content["summary"], f"{name}, `summary`:")
    check_memory(content, name)
    return "\n".join(content["summary"])


def save_memory(memory: Memory, path: Path) -> None:
    """Writes a memory as JSON, with its plain-text table, atomically."""
    content = memory.to_dict() | {"summary": memory.summary().splitlines()}
    write_whole(path, json.dumps(content, indent=1))


def load_memory(memory: Memory, path: Path) -> Memory:
    """Loads a file that `save_memory` wrote into a memory of the same key, and returns it.

    Raises:
        ValueError: if the file does not exist, is not a whole memory, or has another key.
    """
    with read_memory(path) as content:
        memory.load_dict(content)
    return memory
