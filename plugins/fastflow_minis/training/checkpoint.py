"""A training run's files: each is written completely or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def save_state(value: dict[str, Any], path: Path) -> None:
    """Writes tensors and plain values; replaces an older file atomically."""
    new = path.with_suffix(f".{os.getpid()}.new")
    torch.save(value, new)
    os.replace(new, path)


def load_or_make(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Reads what `save_state` wrote; if there is no file, makes and writes it first."""
    if not path.exists():
        save_state(make(), path)
    return torch.load(path)
