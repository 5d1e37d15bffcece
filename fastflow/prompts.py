"""Prompts and pictures from files."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from fastflow.sampling.request import Prompt
from fastflow.sampling.storage import read_text

FIELDS = ("prompt", "image", "task")
HINT = "A benchmark's own file wants benchmark=NAME."


def read_prompts(path: Path) -> list[Prompt]:
    """Reads a text file with one prompt per line, or a ``.jsonl`` file with one object per line.

    An object has a ``prompt`` and may have an ``image``, the path of a picture from the folder of
    the file, and a ``task``. Blank lines are left out.

    Raises:
        ValueError: if the file, a line of it or a picture cannot be read, or there is no prompt.
    """
    lines = read_text(path, "`prompts`", "a text file").splitlines()
    if path.suffix == ".json":
        raise ValueError(f"`prompts` {str(path)!r} must be .txt or .jsonl, not .json. {HINT}")
    numbered = [(n, line.strip()) for n, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise ValueError(f"`prompts` {str(path)!r} is empty: it needs one prompt per line.")
    if path.suffix != ".jsonl":
        return [Prompt(line) for _, line in numbered]
    where = f"`prompts` {str(path)!r}"
    return [_prompt(line, path.parent, f"{where}, line {n},") for n, line in numbered]


def read_image(path: Path) -> Image.Image:
    """Reads a picture as RGB, upright.

    Raises:
        ValueError: if there is none, or it cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"`image` {str(path)!r} does not exist. Give a PNG, JPEG or WebP file.")
    return decode(path, f"`image` {str(path)!r}")


def decode(source: Path | BytesIO, name: str) -> Image.Image:
    """Reads a picture from a file or from bytes as RGB, upright.

    Raises:
        ValueError: if it cannot be read; the message begins with ``name``.
    """
    try:
        with Image.open(source) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error}.") from error


def _prompt(line: str, folder: Path, where: str) -> Prompt:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON: {error}.") from error
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise ValueError(
            f'{where} must be like {{"prompt": "...", "image": "..."}}, got {line}. {HINT}'
        )
    unknown = ", ".join(row.keys() - FIELDS)
    if unknown:
        raise ValueError(f"{where} may have the fields {', '.join(FIELDS)}, got {unknown}. {HINT}")
    if not row.get("prompt", "").strip():
        raise ValueError(f"{where} has no `prompt`. Say what to generate.")
    image = read_image(folder / row["image"]) if "image" in row else None
    return Prompt(row["prompt"].strip(), row.get("task", ""), image)
