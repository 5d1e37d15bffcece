"""Runs commands in forks of one process that has imported all: a start costs no seconds.

A line on its input is an order in JSON: ``words``, ``cwd``, ``err`` (a file for all that is said),
the moment of a ``signal`` to itself, ``after`` so many deeds (files opened to write, made, moved,
removed), how ``large`` a file may become, and which ``user`` runs it. It answers with a line
when the command has begun (its pid) and one when it has ended (its status, its number of deeds).
"""

import json
import os
import resource
import signal
import sys

DEEDS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> None:
    """Answers the orders, one after the other."""
    import lightning  # noqa: F401
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
        pid = os.fork()
        if pid == 0:
            os.close(counted)
            do(order, counts)
        os.close(counts)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with os.fdopen(counted, "rb") as file:
            deeds = len(file.read())
        sys.stdout.write(f"{status} {deeds}\n")
        sys.stdout.flush()


def do(order: dict, counts: int) -> None:
    """Runs a command in this process, and ends it as an interpreter ends."""
    from fastflow import cli

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler if signum == 2 else signal.SIG_DFL)
    os.chdir(order["cwd"])
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
            os.kill(os.getpid(), order["signal"])

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
