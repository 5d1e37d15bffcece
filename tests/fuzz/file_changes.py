"""Seeded changes to a file: to its bytes, its lines, its values, and to what it is."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

VALUES = [
    None,
    True,
    -1,
    0,
    1e308,
    2**63,
    2**70,
    "",
    "x",
    "../../x",
    "${oc.env:HOME}",
    "<b>",
    [],
    {},
]
VALUES += [
    [],
    {},
    [[[[[]]]]],
    {"a": {"b": 1}},
    float("nan"),
    float("inf"),
    "\ud800",
    "\u2028",
    "a" * 5000,
]


def change_file(draw: random.Random, path: Path) -> str:
    """Changes a file in some way, and returns which."""
    kinds: list[Callable[[random.Random, Path], None]] = [_cut, _bytes, _empty, _remove, _folder]
    kinds += [_link, _foreign_encoding, _deep, _pipe, _digits, *[_letters] * 2]
    own = {".safetensors": [_header] * 9, ".pt": [_state] * 9}
    kinds += own.get(path.suffix, [_lines] * 3 + [_value] * 9)
    kind = draw.choice(kinds)
    kind(draw, path)
    return kind.__name__.lstrip("_")


def _cut(draw: random.Random, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) + 1)])


def _bytes(draw: random.Random, path: Path) -> None:
    content = bytearray(path.read_bytes() or b" ")
    for _ in range(draw.randint(1, 20)):
        content[draw.randrange(len(content))] = draw.randrange(256)
    path.write_bytes(bytes(content))


def _empty(draw: random.Random, path: Path) -> None:
    path.write_bytes(b"")


def _remove(draw: random.Random, path: Path) -> None:
    path.unlink()


def _folder(draw: random.Random, path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(draw: random.Random, path: Path) -> None:
    path.unlink()
    path.symlink_to(draw.choice(("/nowhere", "/etc/hostname", path.name, "..", "/dev/zero")))


def _pipe(draw: random.Random, path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


LETTERS = (
    "\ufeff",
    "\u2028",
    "\\ud800",
    "\x00",
    "\u202e",
    "\r",
    "\x0b",
    "\x1b[31m",
    "猫",
    "&a *a",
)


def _letters(draw: random.Random, path: Path) -> None:
    """Puts letters that mean something, or that are half of one, anywhere into a text."""
    content = path.read_bytes()
    for _ in range(draw.randint(1, 3)):
        at = draw.choice((0, draw.randrange(len(content) + 1)))
        odd = draw.choice((*(letter.encode() for letter in LETTERS), b"\xed\xa0\x80"))
        content = content[:at] + odd + content[at:]
    path.write_bytes(content)


def _digits(draw: random.Random, path: Path) -> None:
    """Makes a number endless."""
    content = path.read_bytes()
    at = draw.choice([i for i, byte in enumerate(content) if chr(byte).isdigit()] or [0])
    path.write_bytes(content[:at] + b"9" * 5000 + content[at:])


def _header(draw: random.Random, path: Path) -> None:
    """Changes what a file of tensors says of its tensors, or one of their numbers."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), bytearray(content[8 + length :])
    if draw.random() < 0.3:
        at = 4 * draw.randrange(len(data) // 4)
        data[at : at + 4] = b"\x00\x00\xc0\x7f"  # NaN in float32
    else:
        _change(draw, header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(data))


class Running:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return open, ("was_run", "w")


def _state(draw: random.Random, path: Path) -> None:
    """Changes a value in a file of PyTorch's, or puts something there that would be run."""
    content = torch.load(path)
    if draw.random() < 0.1:
        content["step"] = Running()
    else:
        _change(draw, content)
    torch.save(content, path)


def _foreign_encoding(draw: random.Random, path: Path) -> None:
    text = path.read_bytes().decode("latin-1")
    path.write_text(text, encoding=draw.choice(("utf-16", "utf-8-sig", "utf-32")))


def _deep(draw: random.Random, path: Path) -> None:
    path.write_text("[" * 100_000 + "]" * 100_000)


def _lines(draw: random.Random, path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    place = draw.randrange(len(lines))
    others = ([], [lines[place]] * 2, [b"{}"], [b"null"], [b"[1]"], [b"\xff\xfe"], [b"\x00"])
    lines[place : place + 1] = draw.choice(others)
    path.write_bytes(b"\n".join(lines))


def _value(draw: random.Random, path: Path) -> None:
    """Replaces, removes or adds one value in a JSON, JSON-lines or YAML file."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".yaml":
            content = yaml.safe_load(text)
            _change(draw, content)
            path.write_text(yaml.safe_dump(content), encoding="utf-8")
        elif path.suffix == ".jsonl" and text.strip():
            rows = [json.loads(line) for line in text.splitlines()]
            _change(draw, draw.choice(rows))
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            content = json.loads(text)
            _change(draw, content)
            path.write_text(json.dumps(content))
    except ValueError:  # neither: a picture, or a page
        _bytes(draw, path)


def _change(draw: random.Random, content: object) -> None:
    while isinstance(content, dict | list) and content:
        places = list(content) if isinstance(content, dict) else list(range(len(content)))
        place = draw.choice(places)
        inner = content[place]  # type: ignore[index]
        if isinstance(inner, dict | list) and inner and draw.random() < 0.7:
            content = inner
            continue
        if draw.random() < 0.2:
            del content[place]  # type: ignore[attr-defined]
        else:
            content[place] = draw.choice(VALUES)  # type: ignore[index]
        return
