"""Several processes for a comparison's rows, each with what was loaded and run before."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

import torch

Piece = TypeVar("Piece")
Done = TypeVar("Done")

_work: Callable[[Any], Any]


def side_by_side(
    work: Callable[[Piece], Done], pieces: Sequence[Piece], workers: int
) -> Iterator[Done]:
    """Does pieces of work in forked processes; gives what each returns, in the order of ending.

    A fork shares the memory of what was there before, so nothing is loaded twice. Each process
    computes in one thread: a fork has none of the threads that torch started before, and would
    wait for them forever.

    Args:
        work: what to do with a piece; it may be any callable, its results must be picklable.
        pieces: what to work on; picklable.
        workers: how many processes.

    Raises:
        BrokenProcessPool: if a process was ended from outside.
    """
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, _begin, (work,)) as pool:
        try:
            for one in as_completed([pool.submit(_do, piece) for piece in pieces]):
                yield one.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it and ends the others
    torch.set_num_threads(1)
    _work = work


def _do(piece: Any) -> Any:
    return _work(piece)
