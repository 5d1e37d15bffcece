"""How a run of several processes ends: by a signal, by a lost process, or as it should."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from fastflow.sampling import FirstProcessLost, ProcessLost, Terminated, is_first_process

SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL, GRACE = 0.5, 10.0  # seconds between two looks, and until a process is left to itself
CLOSING = 60.0  # seconds in which a process that is told to end closes its files
KEPT = "Finished samples are kept; resume with `resume=`."
NOTHING = "Nothing was begun yet. Give the command again."
FIRST = "FASTFLOW_FIRST_PROCESS"  # its id, for those it starts, as long as the executor runs


class Stopped(BaseException):
    """Raised by a signal; Lightning takes a KeyboardInterrupt for the end of the program."""


class Processes:
    """Watches the processes that Lightning starts; a context that ends them with this one.

    Lightning itself notes SIGTERM and goes on, kills the first process without a word when another
    one ends, and leaves the others waiting when the first one was killed. Here all these become
    errors, in every process and from the start on: KeyboardInterrupt, `Terminated`, `ProcessLost`.

    A thread keeps the watch, since the main thread may be in an exchange with the other processes,
    in which it handles no signal.

    Args:
        trainer: the trainer, whose launcher starts the processes.

    Attributes:
        failure: the error of this process's own work, which comes before those of others.
    """

    def __init__(self, trainer: Any):
        self.trainer = trainer
        self.failure: BaseException | None = None
        self._signal = 0  # the first one that came
        self._lost = ""
        self._over, self._stopping = threading.Event(), False
        self._begun = False
        self._handlers: dict[int, Any] = {}
        self._first = 0 if is_first_process() else int(os.environ.get(FIRST, "0"))
        self._woken, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="process-watch")

    def __enter__(self) -> Self:
        if is_first_process():
            os.environ[FIRST] = str(os.getpid())
        if threading.current_thread() is threading.main_thread():
            os.set_blocking(self._wake, False)
            signal.set_wakeup_fd(self._wake)  # tells the watch of a signal at once
            self._handlers = {s: signal.signal(s, self._stop) for s in SIGNALS}
        self._thread.start()
        return self

    def begin(self) -> None:
        """Takes the signals from Lightning, which has set its own by now; the work begins."""
        self._begun = True
        for signum in self._handlers:
            signal.signal(signum, self._stop)

    def finish(self) -> None:
        """Ends the watch: the work is done, and each process goes its own way."""
        if not self._over.is_set():
            self._over.set()
            os.write(self._wake, b"\0")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()
        if is_first_process():
            os.environ.pop(FIRST, None)
        if self._handlers:
            signal.set_wakeup_fd(-1)
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        self._thread.join()
        for end in (self._woken, self._wake):
            os.close(end)
        if error is None:
            return
        self._end_others()
        if self.failure is not None:
            raise self.failure
        if self._signal:
            raise (Terminated if self._signal == signal.SIGTERM else KeyboardInterrupt) from error
        if self._lost or isinstance(error, ProcessLost):
            raise self._loss(str(error)) from error

    def lost(self) -> ProcessLost:
        """Returns the error to raise when the other processes cannot be reached any more."""
        end = time.monotonic() + 4 * POLL
        while not (self._lost or self._signal) and time.monotonic() < end:
            time.sleep(POLL / 5)
        return self._loss("another process of the run has ended.")

    def _loss(self, otherwise: str) -> ProcessLost:
        first_is_lost = self._first and os.getppid() != self._first
        return (FirstProcessLost if first_is_lost else ProcessLost)(self._lost or otherwise)

    @property
    def _others(self) -> list[subprocess.Popen]:
        return getattr(self.trainer.strategy.launcher, "procs", [])

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        if not self._stopping:  # one is enough: what follows it cleans up
            self._stopping = True
            if not self._lost:
                self._signal = self._signal or signum
            raise Stopped

    def _watch(self) -> None:
        """Looks until the work is done, a signal comes or a process is lost; then ends all."""
        while not (self._over.is_set() or self._signal or self._lost):
            self._look()
        if self._over.is_set():
            return
        for process in self._others:
            process.terminate()  # which also ends an exchange with this one
        if self._handlers and not self._signal:
            os.kill(os.getpid(), signal.SIGTERM)  # for the main thread
        self._wait_for_main()

    def _wait_for_main(self) -> None:
        """Ends this process if its main thread, which was told to end, is stuck somewhere."""
        told = time.monotonic()
        while not self._over.wait(POLL / 5):
            self._silence_lightning()
            patience = GRACE if self._begun else 2 * POLL
            if time.monotonic() - told > (CLOSING if self._stopping else patience):
                self._leave()

    def _leave(self) -> None:
        """Says what happened and ends this process at once, unless it is the only one."""
        if not (self._others or self._first):
            return
        said = f"{self._lost or 'interrupted.'} {KEPT if self._begun else NOTHING}"
        if is_first_process() or self._first != os.getppid():
            print(f"fastflow: {said}", file=sys.stderr, flush=True)
        self._end_others()
        os._exit(128 + self._signal if self._signal else 1)

    @staticmethod
    def _silence_lightning() -> None:
        """Takes the processes from Lightning's own watch, which kills this one without a word."""
        for thread in threading.enumerate():
            if thread.name == "child-process-observer":
                thread._child_processes = []  # type: ignore[attr-defined]  # it then ends

    def _look(self) -> None:
        """Waits for a signal, a little, and then looks at the other processes."""
        self._silence_lightning()
        if select.select([self._woken], [], [], POLL)[0]:
            came = [s for s in os.read(self._woken, 64) if s in SIGNALS]
            self._signal = self._signal or next(iter(came), 0)
        if not self._signal:
            self._lost = self._first_lost()

    def _first_lost(self) -> str:
        """Returns what is said of the first process that did not end well; empty if all live."""
        if self._first and os.getppid() != self._first:
            return f"the first process of the run (pid {self._first}) was killed."
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
