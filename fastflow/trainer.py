"""Trainers: place a run's work on devices and processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """One process of a run.

    Attributes:
        rank: the number of this process; rank 0 writes the run directory.
        size: how many processes there are.
        device: the torch device of this process.
        dtype: the torch dtype of the model's weights.
        gather: gives every process the list of what each rank passed in.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    gather: Callable[[Any], list[Any]] = lambda value: [value]

    def share(self, items: Sequence[Any]) -> list[Any]:
        """Returns this process's part of a list: every ``size``-th, from ``rank`` on."""
        return list(items[self.rank :: self.size])


@dataclass(frozen=True, kw_only=True)
class Trainer(ABC):
    """A recipe for where to compute."""

    @abstractmethod
    def run(self, work: Callable[[Place], Iterable[int]], total: int) -> None:
        """Runs ``work`` once in every process.

        Args:
            work: does everything; yields how many samples have just been finished.
            total: the number of samples, for the progress bar.
        """


class Interrupted(Exception):
    """The user interrupted a run; says how to go on with it."""
