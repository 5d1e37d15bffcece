"""Starts a command in two processes, as each of the usual launchers does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence

OTHERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
WAYS = ("alone", "command", "torchrun", "torchrun_nodes", "nodes", "slurm")


def free_port() -> int:
    """Returns a port of this machine that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start(way: str, *words: str, cwd: str | None = None) -> list[subprocess.Popen]:
    """Starts `fastflow` with words, in one process (`alone`) or in two.

    `nodes` are two "machines" by Lightning's own variables, and `slurm` has the variables that
    srun sets; nothing ends these two but themselves.
    """
    fastflow = ["-m", "fastflow", *words]
    port = str(free_port())
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    local = ["--master-addr", "127.0.0.1", "--master-port", port]
    if way == "torchrun":
        return [_start([*torchrun, "--nproc-per-node", "2", *local, *fastflow], {}, cwd)]
    if way == "torchrun_nodes":
        nodes = [*torchrun, "--nnodes", "2", "--nproc-per-node", "1", *local, "--node-rank"]
        return [_start([*nodes, rank, *fastflow], {}, cwd) for rank in "01"]
    python = [sys.executable, *fastflow]
    own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    if way == "nodes":
        python.append("executor.num_nodes=2")
        return [_start(python, own | {"NODE_RANK": rank}, cwd) for rank in "01"]
    if way == "slurm":
        job = {"SLURM_NTASKS": "2", "SLURM_NNODES": "1", "SLURM_JOB_ID": "4242", **own}
        ranks = ({"SLURM_PROCID": r, "SLURM_LOCALID": r, "SLURM_NODEID": "0"} for r in "01")
        return [_start(python, job | rank, cwd) for rank in ranks]
    return [_start([*python, *(["executor.devices=2"] if way == "command" else [])], {}, cwd)]


def ended(processes: Sequence[subprocess.Popen], timeout: float = 120) -> tuple[list[int], str]:
    """Waits for processes; returns their exit statuses and all that they printed."""
    texts = []
    try:
        for process in processes:
            texts.append("".join(process.communicate(timeout=timeout)))
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], "".join(texts)


def _start(
    command: Sequence[str], environment: dict[str, str], cwd: str | None
) -> subprocess.Popen:
    clean = {k: v for k, v in os.environ.items() if k not in OTHERS and "SLURM" not in k}
    return subprocess.Popen(
        command,
        env=clean | {"OMP_NUM_THREADS": "1"} | environment,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
