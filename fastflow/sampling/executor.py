"""Executors: distribute a run's work over devices and processes."""

from __future__ import annotations

import multiprocessing
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, TypeVar

import torch


@dataclass(frozen=True)
class Worker:
    """Describes one process of a run.

    Attributes:
        rank: the number of this process, from 0; rank 0 writes the run directory.
        size: the number of processes.
        device: the torch device of this process.
        dtype: the torch dtype of the model's weights.
        gather: returns to every process the list of the values that each rank passed.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    gather: Callable[[Any], list[Any]] = lambda value: [value]

    def from_first(self, make: Callable[[], T]) -> T:
        """Returns the value that rank 0 makes; if that raises, every process raises the same."""
        made: tuple[Any, Exception | None] = None, None
        if self.rank == 0:
            try:
                made = make(), None
            except Exception as error:
                made = None, error
        value, error = self.gather(made)[0]
        if error is not None:
            raise error
        return value

    def share(self, items: Sequence[Any]) -> list[Any]:
        """Returns this process's part of a list: every ``size``-th item, starting at ``rank``."""
        return list(items[self.rank :: self.size])


@dataclass(frozen=True, kw_only=True)
class Executor(ABC):
    """Distributes a run over devices and processes."""

    @abstractmethod
    def run(self, work: Callable[[Worker], Iterable[int]], total: int) -> None:
        """Runs ``work`` once in every process.

        Args:
            work: does the work of one process; yields how many samples it has just finished.
            total: the number of samples of all processes, for the progress bar.
        """


class Interrupted(Exception):
    """Raised when the user interrupts a run; the message states how to resume it."""


Piece = TypeVar("Piece")
Result = TypeVar("Result")
T = TypeVar("T")


_work: Callable[[Any], Any]


def side_by_side(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], workers: int
) -> Iterator[Result]:
    """Works on pieces in forked processes and yields the results as they finish.

    Forked processes share the memory of this one, so nothing is loaded twice. Each computes in one
    thread: a fork has none of the threads that torch has started, and would wait for them forever.

    Args:
        work: makes the result of a piece; any callable, whose results must be picklable.
        pieces: what to work on; picklable.
        workers: the number of processes.

    Raises:
        BrokenProcessPool: if a process was killed from outside.
    """
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, _begin, (work,)) as pool:
        try:
            for future in as_completed([pool.submit(_do, piece) for piece in pieces]):
                yield future.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends the others
    torch.set_num_threads(1)
    _work = work


def _do(piece: Any) -> Any:
    return _work(piece)
