"""Executors: distribute a run's work over devices and processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from fastflow.errors import Failed, UserError, is_users

MODEL_DTYPES = ("float32", "bfloat16", "float16", "float64")


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
        """Returns the value that rank 0 makes.

        If that raises, rank 0 raises it and the others a `FirstProcessFailed`.
        """
        value, failure = None, None
        if self.rank == 0:
            try:
                value = make()
            except Exception as error:
                failure = error
        made, failed = self.gather((value, failure is not None))[0]
        if failure is not None:
            raise failure
        if failed:
            raise FirstProcessFailed
        return made

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


class Terminated(KeyboardInterrupt):
    """Raised by SIGTERM, which ends a run as Ctrl-C does."""


class Interrupted(Exception):
    """Raised when a run is interrupted; the message states how to resume it.

    Args:
        message: what happened, and how to resume.
        status: the exit status: 130 for Ctrl-C, 143 for SIGTERM, 1 if a process was lost.
    """

    def __init__(self, message: str = "", status: int = 130):
        super().__init__(message)
        self.status = status

    @classmethod
    def by(cls, error: BaseException, message: str) -> Interrupted:
        """Returns the interruption that an error brought about."""
        if isinstance(error, ProcessLost):
            return cls(f"{error} {message}", 1)
        return cls(message, 143 if isinstance(error, Terminated) else 130)


class ProcessLost(Exception):
    """Raised if one of a run's processes ended or was killed; the message names it."""


class FirstProcessFailed(Failed):
    """Raised in the other processes if the first one failed, which says why."""


def is_first_process() -> bool:
    """Returns whether this is the process of a run that prints; launchers number them."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def check_device_name(device: Any) -> None:
    """Raises a ValueError unless it is the name of a kind of device, such as cpu or cuda:1."""
    try:
        kind, index = torch.device(device).type, torch.device(device).index
    except (RuntimeError, TypeError):
        kind, index = "meta", None
    if kind == "meta" or (kind == "cpu" and index):
        raise ValueError(f"`device` must be cpu, cuda, cuda:1 or the like, got {device!r}.")


def check_available(device: str) -> None:
    """Raises a ValueError unless this machine has a device."""
    check_device_name(device)
    kind, index = torch.device(device).type, torch.device(device).index or 0
    if kind == "cuda":
        there = torch.cuda.is_available() and index < torch.cuda.device_count()
        if not there:
            raise ValueError(f"`device` is {device!r}, but there is no such GPU. Use cpu.")
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise ValueError(
            f"`device` is {device!r}, which torch cannot use here. Use cpu."
        ) from error


def check_dtype_name(dtype: Any) -> None:
    """Raises a ValueError unless it names a floating type that models compute in."""
    if dtype not in MODEL_DTYPES:
        raise ValueError(f"`dtype` must be one of {', '.join(MODEL_DTYPES)}, got {dtype!r}.")


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
        workers: the number of processes; no more than pieces are started.

    Raises:
        BrokenProcessPool: if a process was killed from outside.
    """
    context = multiprocessing.get_context("fork")
    processes, own = min(workers, len(pieces) or 1), (work, os.getpid())
    with ProcessPoolExecutor(processes, context, _begin, own) as pool:
        try:
            for future in as_completed([pool.submit(_do, piece) for piece in pieces]):
                yield future.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _begin(work: Callable[[Any], Any], parent: int) -> None:
    global _work
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by this, and not by its own exception
    torch.set_num_threads(1)
    _work = work


def _end_with(parent: int) -> None:
    """Ends this process once its parent has: a killed one cannot end it, nor hold its lock."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _do(piece: Any) -> Any:
    try:
        return _work(piece)
    except ValueError as error:
        if type(error) is ValueError and is_users(error):  # no traceback reaches the parent
            raise UserError(*error.args) from error
        raise
