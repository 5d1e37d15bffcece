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

    def from_first(self, make: Callable[[], T]) -> T:
        """Returns what the first process makes; if it raises, every process raises the same."""
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
        """Returns this process's part of a list: every ``size``-th, from ``rank`` on."""
        return list(items[self.rank :: self.size])


@dataclass(frozen=True, kw_only=True)
class Executor(ABC):
    """A recipe for where to compute."""

    @abstractmethod
    def run(self, work: Callable[[Worker], Iterable[int]], total: int) -> None:
        """Runs ``work`` once in every process.

        Args:
            work: does everything; yields how many samples have just been finished.
            total: the number of samples, for the progress bar.
        """


class Interrupted(Exception):
    """The user interrupted a run; says how to go on with it."""


Piece = TypeVar("Piece")


Done = TypeVar("Done")
T = TypeVar("T")


_work: Callable[[Any], Any]


def side_by_side(
    work: Callable[[Piece], Done], pieces: Sequence[Piece], workers: int
) -> Iterator[Done]:
    """Does pieces of work in forked processes; gives what each returns, in the order of ending.

    A fork shares the memory of what was there before, so nothing is loaded twice. The processes
    share torch's threads between them.

    Args:
        work: what to do with a piece; it may be any callable, its results must be picklable.
        pieces: what to work on; picklable.
        workers: how many processes.

    Raises:
        BrokenProcessPool: if a process was ended from outside.
    """
    threads = max(1, torch.get_num_threads() // workers)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, _begin, (work, threads)) as pool:
        try:
            for one in as_completed([pool.submit(_do, piece) for piece in pieces]):
                yield one.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _begin(work: Callable[[Any], Any], threads: int) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it and ends the others
    torch.set_num_threads(threads)
    _work = work


def _do(piece: Any) -> Any:
    return _work(piece)
