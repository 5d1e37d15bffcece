"""The processes that a launcher started, which a sweep ends when it is interrupted."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

CHILD_GRACE = 2.0  # seconds in which a process may end by itself


def end_children() -> None:
    """Ends the processes that this one started, and theirs, where the system lists them."""
    own = _below(os.getpid())
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for process in own:
            with suppress(OSError):
                os.kill(process, signum)
        until = time.monotonic() + CHILD_GRACE
        while (own := [p for p in own if _lives(p)]) and time.monotonic() < until:
            time.sleep(0.05)


def _below(process: int) -> list[int]:
    """Returns the processes that a process started, and those that these started."""
    found = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, listed.read_text().split()):
                found += [] if _cleans_up(child) else [child, *_below(child)]
    return found


def _cleans_up(process: int) -> bool:
    """Returns whether a process removes what others leave behind, and then ends by itself."""
    with suppress(OSError):
        return b"resource_tracker" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def _lives(process: int) -> bool:
    """Returns whether a process is there and does more than wait for its end to be noticed."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"
