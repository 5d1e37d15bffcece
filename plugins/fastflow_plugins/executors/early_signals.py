"""Signals and lost processes before the processes of a run have met."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

STARTED_BY = "FASTFLOW_STARTED_BY"  # in the environment of a process that another one started


class EarlySignals:
    """Notices a signal that Python's own handlers cannot: the main thread waits inside torch.

    Torch's wait for the other processes runs no handlers, and may last for minutes.
    """

    def __init__(self):
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._before = signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)

    def heard(self) -> int | None:
        """Returns the number of a signal that came, of those that end a run; None if none did."""
        with suppress(OSError):
            for number in self._ear.recv(64):
                if number in (signal.SIGINT, signal.SIGTERM):
                    return number
        return None

    def close(self) -> None:
        """Stops listening; only in the main thread."""
        with suppress(ValueError):  # whoever listened before has gone meanwhile
            signal.set_wakeup_fd(self._before)
        self._ear.close()
        self._mouth.close()


def starter() -> int | None:
    """Returns the id of the process that started this one for its run; None if none did."""
    text = os.environ.get(STARTED_BY, "")
    return int(text) if text.isdecimal() and int(text) != os.getpid() else None


def starter_is_gone() -> bool:
    """Returns whether the process has ended that started this one."""
    by = starter()
    return by is not None and os.getppid() != by
