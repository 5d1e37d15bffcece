"""How a run of several processes ends: by a signal, by a lost process, or as it should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from fastflow.sampling import ProcessLost, Terminated

SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL, GRACE = 0.5, 10.0  # seconds between two looks, and until a process is left to itself


class Stopped(BaseException):
    """Raised by a signal; Lightning takes a KeyboardInterrupt for the end of the program."""


class Processes:
    """Watches the processes that Lightning starts; a context that ends them with this one.

    Lightning itself notes SIGTERM and goes on, and kills the first process without a word when
    another one ends. Here both become errors: KeyboardInterrupt, `Terminated`, `ProcessLost`.

    Args:
        trainer: the trainer, whose launcher starts the processes.

    Attributes:
        failure: the error of this process's own work, which comes before those of others.
    """

    def __init__(self, trainer: Any):
        self.trainer = trainer
        self.failure: BaseException | None = None
        self._signal: int | None = None
        self._lost = ""
        self._over = threading.Event()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """Takes the signals, and the watch over the processes, from Lightning."""
        if threading.current_thread() is threading.main_thread():
            self._handlers = {s: signal.signal(s, self._stop) for s in SIGNALS}
        for thread in threading.enumerate():
            if thread.name == "child-process-observer":
                thread._child_processes = []  # type: ignore[attr-defined]  # it then ends
        if self._others:
            threading.Thread(target=self._watch, daemon=True, name="process-watch").start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        if error is None:
            return
        self._end_others()
        if self.failure is not None:
            raise self.failure
        if self._lost or isinstance(error, ProcessLost):
            raise ProcessLost(self._lost or str(error)) from error
        if isinstance(error, Stopped):
            raise (Terminated if self._signal == signal.SIGTERM else KeyboardInterrupt) from error

    def lost(self) -> ProcessLost:
        """Returns the error to raise when the other processes cannot be reached any more."""
        end = time.monotonic() + 4 * POLL
        while not self._lost and self._others and time.monotonic() < end:
            self._lost = self._first_lost()
            time.sleep(POLL / 5)
        return ProcessLost(self._lost or "another process of the run has ended.")

    @property
    def _others(self) -> list[subprocess.Popen]:
        return getattr(self.trainer.strategy.launcher, "procs", [])

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        if self._signal is None:  # one is enough: what follows it cleans up
            self._signal = signum
            raise Stopped

    def _watch(self) -> None:
        while not self._over.wait(POLL):
            if lost := self._first_lost():
                self._lost = lost
                os.kill(os.getpid(), signal.SIGTERM)
                if not self._over.wait(GRACE):  # it is stuck in an exchange with the others
                    print(f"fastflow: {lost}", file=sys.stderr, flush=True)
                    self._end_others()
                    os._exit(1)
                return

    def _first_lost(self) -> str:
        """Returns what is said of the first process that did not end well; empty if all live."""
        for rank, process in enumerate(self._others, start=1):
            if code := process.poll():
                how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
                why = ", probably as memory ran out" if code == -signal.SIGKILL else ""
                return f"process {rank} of {len(self._others) + 1} (pid {process.pid}) {how}{why}."
        return ""

    def _end_others(self) -> None:
        for process in self._others:
            process.terminate()
        for process in self._others:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE / 2)
                continue
            process.kill()
