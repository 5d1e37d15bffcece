"""The command `fastflow train-mini NAME [key=value ...]`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from fastflow_minis.recipe import MINIS, Recipe

USAGE = "usage: fastflow train-mini NAME [out=FOLDER] [device=cpu] [resume=false] [key=value ...]"


def train_mini(words: list[str]) -> None:
    """Trains a mini from words of the command line.

    Raises:
        ValueError: for an unknown name or key, or a value of the wrong type.
    """
    if not words or "=" in words[0]:
        raise ValueError(f"{USAGE}\nMinis: {', '.join(MINIS)}.")
    name, options = words[0], dict(_pair(word) for word in words[1:])
    out = Path(options.pop("out", f"runs/train-{name}"))
    device = options.pop("device", "cpu")
    resume = bool(options.pop("resume", False))
    for key, value in options.items():
        _check(key, value)
    from fastflow_minis import train

    print(train(name, out, device=device, resume=resume, **options))


def _pair(word: str) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} is not of the form key=value. {USAGE}")
    return key, yaml.safe_load(value)


def _check(key: str, value: Any) -> None:
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    if key not in fields:
        raise ValueError(f"there is no setting {key!r}. Settings: {', '.join(fields)}.")
    default = fields[key].default
    if isinstance(default, (int, float)) and not isinstance(value, (int, float)):
        raise ValueError(f"`{key}` must be a number such as {default}, got {value!r}.")
