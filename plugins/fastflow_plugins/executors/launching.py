"""What Lightning is told of the processes of a run, and how they meet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy

from fastflow.sampling import Launch, ProcessLost
from fastflow_plugins.executors.early_signals import STARTED_BY
from fastflow_plugins.executors.slurm import slurm_environment

MEETING = 300  # seconds for all processes to come


def strategy_for(name: str, devices: Any, nodes: int, launch: Launch) -> Any:
    """Returns the strategy for Lightning; the usual one of several processes waits in bounds."""
    several = nodes > 1 or bool(launch.by) or (devices not in (1, "auto"))
    if name == "ddp" or (name == "auto" and several):
        return DDPStrategy(timeout=timedelta(seconds=MEETING))
    return name


def cluster_plugins(launch: Launch) -> list[Any]:
    """Returns Lightning's view of what started the processes, where ours is another one.

    It finds Slurm also if that started a single process, which then starts others itself.
    """
    if launch.by == "Slurm":
        return [slurm_environment(launch)]
    return [] if launch.by else [LightningEnvironment()]


@contextmanager
def environment_restored(launch: Launch) -> Iterator[None]:
    """Puts the environment back, in which Lightning numbers processes, and closes their group.

    Else a second run in this process would take the first one's number for its own.
    """
    before = dict(os.environ)
    if not launch.by and launch.local_rank == 0:  # a process that it starts ends with it
        os.environ[STARTED_BY] = str(os.getpid())
    try:
        yield
    finally:
        if not launch.by and dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def meeting(size: int) -> Iterator[None]:
    """Says so if not all processes came to meet this one.

    Raises:
        ProcessLost: if one did not.
    """
    try:
        yield
    except dist.DistError as error:
        if dist.is_initialized():
            raise
        raise ProcessLost(
            f"not all of the {size} processes came within {MEETING} seconds: look at what the "
            "others say, and whether each machine can reach MASTER_ADDR at MASTER_PORT."
        ) from error
