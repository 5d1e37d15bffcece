"""JSON objects, one a line: read, and refused by the number of the line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_text(path: Path, name: str, wanted: str) -> str:
    """Reads a text file.

    Args:
        path: the file.
        name: what it is to the reader, such as ``"`prompts`"``.
        wanted: what it should be, for the message.

    Raises:
        ValueError: if there is none, or it is no UTF-8 text.
    """
    if not path.is_file():
        raise ValueError(f"{name} {str(path)!r} does not exist. Give {wanted}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} {str(path)!r} is no UTF-8 text: {error}.") from error


def read_objects(path: Path, name: str, wanted: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the objects of a JSON-lines file, each after where it stands, for messages.

    Raises:
        ValueError: if there is no such text file, or a line of it is no JSON object.
    """
    for number, line in enumerate(read_text(path, name, wanted).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{name} {str(path)!r}, line {number},"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise ValueError(f"{where} must hold an object, got {line.strip()[:60]}.")
        yield where, row
