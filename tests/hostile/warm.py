"""Runs commands in forks of one process that has imported all: a start costs no seconds.

A line on its input is an order in JSON: ``words``, ``cwd``, ``err`` (a file for all that is said),
the moment of a ``signal`` to a ``target``, ``after`` so many deeds (files opened to write, made,
moved, removed), how ``large`` a file may become, which ``user`` runs it, and the ``port`` at which
two processes meet, if it is to run in two as under Slurm. It answers with a line when the command
has begun (its pid) and one when it has ended (its status, its number of deeds).
"""

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

DEEDS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> None:
    """Answers the orders, one after the other."""
    import lightning  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import torchmetrics.functional  # noqa: F401

    from fastflow import cli, endings  # noqa: F401
    from fastflow.comparison import compare  # noqa: F401
    from fastflow.registry import installed
    from fastflow.runs import run  # noqa: F401

    installed()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        counted, counts = os.pipe()
        pids = start(order, counts)
        os.close(counts)
        sys.stdout.write(f"{pids[0]}\n")
        sys.stdout.flush()
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        with os.fdopen(counted, "rb") as file:
            deeds = len(file.read())
        sys.stdout.write(f"{statuses[0]} {deeds}\n")
        sys.stdout.flush()


def start(order: dict, counts: int) -> list[int]:
    """Forks the processes of an order, in a group of their own; returns their ids, in order."""
    pids: list[int] = []
    for rank in (1, 0) if order.get("port") else (0,):
        group = pids[0] if pids else 0
        if (pid := os.fork()) == 0:
            os.setpgid(0, group)
            do(order | {"rank": rank, "other": group}, counts)
        pids.insert(0, pid)
        with suppress(OSError):  # whoever is first
            os.setpgid(pid, group)
    return pids


def strike(pid: int, signum: int, target: str = "first", other: int = 0) -> None:
    """Sends a signal to the first process of a command, to the other one, or to all.

    Args:
        pid: the first one.
        signum: the signal.
        target: ``first``, ``other`` or ``all``.
        other: the other one; 0 for the first that ``pid`` has started.
    """
    with suppress(OSError):
        if target == "all":
            os.killpg(os.getpgid(pid), signum)
        elif target == "first":
            os.kill(pid, signum)
        elif pids := [other] if other else children(pid):
            os.kill(pids[0], signum)


def children(pid: int) -> list[int]:
    """Returns the processes that one has started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in lists for child in one.read_text().split()]


def as_slurm(order: dict) -> dict[str, str]:
    """Returns what srun would set for one of two processes."""
    rank, port = str(order["rank"]), str(order["port"])
    job = {"SLURM_NTASKS": "2", "SLURM_NNODES": "1", "SLURM_JOB_ID": "4242"}
    job |= {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": "0"}
    return job | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}


def do(order: dict, counts: int) -> None:
    """Runs a command in this process, and ends it as an interpreter ends."""
    from fastflow import cli

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler if signum == 2 else signal.SIG_DFL)
    os.chdir(order["cwd"])
    if order.get("port"):
        os.environ |= as_slurm(order)
    sys.argv = ["fastflow", *order["words"]]  # Lightning repeats it for another process
    sys.modules["__main__"].__spec__ = find_spec("fastflow.__main__")
    said = os.open(order["err"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if order.get("large") is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["large"], resource.RLIM_INFINITY))
    if order.get("user"):
        os.setgroups([])
        os.setresgid(order["user"], order["user"], order["user"])
        os.setresuid(order["user"], order["user"], order["user"])
    count = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if not (writes or event in DEEDS):
            return
        count += 1
        os.write(counts, b".")
        if count == order.get("after"):
            strike(os.getpid(), order["signal"], order["target"], order["other"])

    if order["rank"] == 0:
        sys.addaudithook(watch)
    status = 1
    try:
        status = cli.main(order["words"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
