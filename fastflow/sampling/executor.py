"""Executors: distribute a run's work over devices and processes."""

from __future__ import annotations

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import torch

from fastflow.errors import Failed

MODEL_DTYPES = ("float32", "bfloat16", "float16", "float64")
SHELLS = ("bash", "interactive")  # names of Slurm jobs in which nothing is started by srun
Piece = TypeVar("Piece")
T = TypeVar("T")


@dataclass(frozen=True)
class Worker:
    """Describes one process of a run.

    Attributes:
        rank: the number of this process, from 0; rank 0 writes the run directory.
        size: the number of processes.
        device: the torch device of this process.
        dtype: the torch dtype of the model's weights.
        gather: returns to every process the list of the values that each rank passed.
        count: returns 0, 1, 2 and so on for each name, each number to one process only.
        is_lead: whether this is the process that measures times on its device, which processes
            may share: one of them does.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    gather: Callable[[Any], list[Any]] = lambda value: [value]
    count: Callable[[str], int] = field(default_factory=lambda: Counts().next)
    is_lead: bool = True

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

    def claim(self, name: str, items: Sequence[Piece]) -> Iterator[Piece]:
        """Yields items that no other process gets, each when the last one is done.

        So a process with short work takes more of it.

        Args:
            name: the name of the work, which no other work of the run has.
            items: the same list in every process.
        """
        while (number := self.count(name)) < len(items):
            yield items[number]

    def spread(self, name: str, items: Sequence[Piece], do: Callable[[Piece], T]) -> list[T]:
        """Does something with each item, in one process each; returns all results, in order."""
        numbered = list(enumerate(items))
        own = [(i, do(item)) for i, item in self.claim(name, numbered)]
        done = dict(pair for part in self.gather(own) for pair in part)
        return [done[i] for i, _ in numbered]


class Counts:
    """Counts from 0 on, for each name."""

    def __init__(self):
        self._counts: dict[str, Iterator[int]] = {}

    def next(self, name: str) -> int:
        """Returns the next number."""
        return next(self._counts.setdefault(name, count()))


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

    is_told_here = False

    def __init__(self, message: str = "", status: int = 130):
        super().__init__(message)
        self.status = status

    @classmethod
    def by(cls, error: BaseException, message: str) -> Interrupted:
        """Returns the interruption that an error brought about."""
        made = cls(message, 143 if isinstance(error, Terminated) else 130)
        if isinstance(error, ProcessLost):
            made = cls(f"{error} {message}", 1)
        made.is_told_here = getattr(error, "is_told_here", False)
        return made


class ProcessLost(Exception):
    """Raised if one of a run's processes ended or was killed; the message names it."""

    is_told_here = False


class AnotherFailed(Failed):
    """Raised if another process of the run failed, which says why; this one says nothing."""


class FirstProcessFailed(AnotherFailed):
    """Raised in the other processes if the first one failed, which says why."""


@dataclass(frozen=True)
class Launch:
    """Describes what started this process, by the environment that it set.

    Args:
        by: torchrun or Slurm; empty if the command started this process, or will start others.
        nodes: the number of machines.
        on_node: the number of processes on each machine.
        rank: the number of this process, over all machines.
        local_rank: the number of this process on its machine.
    """

    by: str = ""
    nodes: int = 1
    on_node: int = 1
    rank: int = 0
    local_rank: int = 0

    @classmethod
    def found(cls, environment: Mapping[str, str] = os.environ) -> Launch:
        """Reads the environment; torchrun inside a job of Slurm counts as torchrun.

        Raises:
            ValueError: if a variable is no number, or processes are spread unevenly.
        """

        def number(name: str, default: int = 0) -> int:
            text = environment.get(name) or str(default)
            if not text.isdecimal():
                raise ValueError(f"the environment's {name} must be a number, got {text!r}.")
            return int(text)

        if "TORCHELASTIC_RUN_ID" in environment:
            names = ("GROUP_WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK")
            nodes, on_node, rank, local_rank = map(number, names)
            return cls("torchrun", max(nodes, 1), max(on_node, 1), rank, local_rank)
        tasks = number("SLURM_NTASKS", 1)
        if tasks > 1 and environment.get("SLURM_JOB_NAME") not in SHELLS:
            nodes = max(number("SLURM_NNODES", number("SLURM_JOB_NUM_NODES", 1)), 1)
            if tasks % nodes:
                raise ValueError(
                    f"Slurm started {tasks} processes on {nodes} machines, and each must have as "
                    "many: give --ntasks-per-node to srun or sbatch."
                )
            ranks = number("SLURM_PROCID"), number("SLURM_LOCALID")
            return cls("Slurm", nodes, tasks // nodes, *ranks)
        local = number("LOCAL_RANK")  # set by Lightning, which knows how many there are
        return cls(rank=local or number("NODE_RANK"), local_rank=local)


def is_first_process() -> bool:
    """Returns whether this is the process of a run that prints; launchers number them."""
    try:
        return Launch.found().rank == 0
    except ValueError:  # the variables cannot be read, which is about to be said
        return True


def speaks_of(error: BaseException) -> bool:
    """Returns whether this process is the one of its run that says what ended it.

    Processes that work together agree on one, whose error has `is_told_here` set. Before that, all
    of them find the same in what the user gave: the first one on each machine says it.
    """
    local = os.environ.get("SLURM_LOCALID", "0")
    if isinstance(error, AnotherFailed):
        return False
    if getattr(error, "is_told_here", False):
        return True
    if isinstance(error, (KeyboardInterrupt, Interrupted)):
        return is_first_process()
    same_everywhere = isinstance(error, (ValueError, OSError, Failed))
    return not same_everywhere or os.environ.get("LOCAL_RANK", local) == "0"


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


def kind_of_device(device: str) -> str:
    """Returns the name of the hardware of a device, such as ``NVIDIA H100 80GB HBM3``."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            name, _, text = line.partition(":")
            if name.strip() == "model name" and text.strip():
                return text.strip()
    return platform.processor() or platform.machine()


def check_dtype_name(dtype: Any) -> None:
    """Raises a ValueError unless it names a floating type that models compute in."""
    if dtype not in MODEL_DTYPES:
        raise ValueError(f"`dtype` must be one of {', '.join(MODEL_DTYPES)}, got {dtype!r}.")
