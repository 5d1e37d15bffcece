"""A training run's files: each is written completely or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from fastflow.sampling import check_file

MISFITS = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, OverflowError)
DAMAGED = (*MISFITS, UnpicklingError, EOFError, OSError, AssertionError)
TRAIN_AGAIN = "Remove it, and its part of the training begins again."


def save_state(value: dict[str, Any], path: Path) -> None:
    """Writes tensors and plain values; replaces an older file atomically."""
    new = path.with_suffix(f".{os.getpid()}.new")
    torch.save(value, new)
    os.replace(new, path)


def load_or_make(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Reads what `save_state` wrote; if there is no file, makes and writes it first."""
    if not path.exists():
        save_state(make(), path)
    return load_state(path)


def load_state(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Reads what `save_state` wrote; nothing in it is run.

    Raises:
        ValueError: naming the file, if it is damaged or holds anything but tensors and plain
            values.
    """
    check_file(path, str(path), "the file of tensors that a training saved")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except DAMAGED as error:
        raise ValueError(
            f"{path} is damaged, or was written by something else. {TRAIN_AGAIN}"
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} does not hold a training's state. Remove it.")
    return state


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Lets an error of the body, which uses what a file holds, name the file.

    Raises:
        ValueError: if the body cannot use it.
    """
    try:
        yield
    except MISFITS as error:
        raise ValueError(f"{path} does not fit the recipe beside it. {TRAIN_AGAIN}") from error
