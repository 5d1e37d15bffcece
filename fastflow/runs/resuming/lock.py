"""The lock of a directory: one process at a time writes in it."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fastflow.errors import UserError
from fastflow.sampling.foreign import parse_json, read_bounded
from fastflow.sampling.storage import HOLDER, LOCK, write_whole

PATIENCE = 1.0  # seconds in which a holder has written its name


class InUse(UserError):
    """Raised when another process holds a directory; names the process."""


@contextmanager
def locked(path: Path, command: str) -> Iterator[None]:
    """Holds a directory for this process; forked processes work in it under the same lock.

    The system releases the lock of a process that ends in any way. The holder's name, in a file
    of its own, then remains: the next one takes the directory over and says so.

    Args:
        path: the directory, which exists.
        command: what it is held for, such as ``sample``.

    Raises:
        InUse: if another process holds it.
    """
    lock = FileLock(path / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InUse(_in_use(path)) from None
    try:
        if before := _holder(path):
            print(
                f"{path}: {_named(before)} ended without releasing it; going on.", file=sys.stderr
            )
        write_whole(path / HOLDER, json.dumps(_self(command)) + "\n")
        yield
    finally:
        for name in (HOLDER, LOCK):  # while it is held: whoever waits looks for the file again
            with suppress(OSError):
                (path / name).unlink()
        lock.release()


def _self(command: str) -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": command,
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _holder(path: Path) -> dict[str, Any]:
    """Returns what a directory's holder wrote of itself; empty if that is not there or damaged."""
    try:
        content = parse_json(read_bounded(path / HOLDER, HOLDER, "a holder"), HOLDER)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _named(holder: dict[str, Any]) -> str:
    command, pid, host = (str(holder.get(name, "?"))[:99] for name in ("command", "pid", "host"))
    return f"process {pid} on {host} (fastflow {command})"


def _in_use(path: Path) -> str:
    """Returns who holds a directory, and what to do."""
    until = time.monotonic() + PATIENCE
    while not (holder := _holder(path)) and time.monotonic() < until:
        time.sleep(0.05)
    who = _named(holder) if holder else "another process"
    return (
        f"{str(path)!r} is in use: {who} works in it. Two at a time would spoil each other's "
        "files. Wait until it ends, or end it."
    )
