"""Where the processes that Slurm started meet."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from lightning.fabric.plugins.environments import SLURMEnvironment

from fastflow.sampling import Launch

FIRST_PORT, PORTS = 15_000, 10_000  # below those that a system hands out itself
PORTS_A_JOB = 7  # neighbouring ports for the steps of a job, which may run at the same time


def slurm_environment(launch: Launch) -> SLURMEnvironment:
    """Returns Lightning's view of Slurm, with a place to meet that suits every step of a job.

    Lightning by itself takes the first machine of the job, on which a step may have no process,
    and one port for all steps of a job; and it would save checkpoints of a module that has none
    when Slurm moves a job.

    Raises:
        ValueError: if the first machine's name is not known here.
    """
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(launch.on_node))
    _set_meeting_place(os.environ, launch)
    return SLURMEnvironment(auto_requeue=False)


def _set_meeting_place(environment: MutableMapping[str, str], launch: Launch) -> None:
    """Sets MASTER_ADDR and MASTER_PORT, where they are not set."""
    job, step = (environment.get(name, "") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    number = sum(
        int(text) * by for text, by in ((job, PORTS_A_JOB), (step, 1)) if text.isdecimal()
    )
    environment.setdefault("MASTER_PORT", str(FIRST_PORT + number % PORTS))
    if launch.nodes == 1:
        environment.setdefault("MASTER_ADDR", "127.0.0.1")
    if "MASTER_ADDR" not in environment:
        names = ("SLURM_STEP_NODELIST", "SLURM_NODELIST", "SLURM_JOB_NODELIST")
        listed = next((environment[name] for name in names if environment.get(name)), "")
        environment["MASTER_ADDR"] = SLURMEnvironment.resolve_root_node_address(listed)
    _check_known(environment["MASTER_ADDR"])


def _check_known(address: str) -> None:
    """Raises a ValueError if no machine of that name is known."""
    try:
        socket.getaddrinfo(address, None)
    except OSError as error:
        raise ValueError(
            f"this machine does not know the first machine of the job, {address!r}: {error}. Set "
            "MASTER_ADDR to its address in the job's script."
        ) from error
