"""How a run of several processes ends: by a signal, by a lost process, or as it should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from fastflow.sampling import AnotherFailed, Launch, ProcessLost, Terminated
from fastflow_plugins.executors.early_signals import EarlySignals, starter, starter_is_gone
from fastflow_plugins.executors.lifeline import ENDED, SIGNALLED, STOP, Lifeline, main_address

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ENDED_BY_SIGNAL = (130, 143, -2, -15)  # after SIGINT and SIGTERM, which this process hears as well
POLL, GRACE = 0.25, 5.0  # seconds between two looks, and until a process is left to itself


class Stopped(BaseException):
    """Raised by a signal; Lightning takes a KeyboardInterrupt for the end of the program."""


class Processes:
    """Watches the processes of a run; a context that ends all of them with this one.

    Lightning itself notes SIGTERM and goes on, and kills the first process without a word when
    another one ends. Here both become errors: KeyboardInterrupt, `Terminated`, `ProcessLost`.

    Args:
        trainer: the trainer, whose launcher starts the processes, if nothing else did.
        launch: what started this process.

    Attributes:
        failure: the error of this process's own work, which comes before those of others.
    """

    def __init__(self, trainer: Any, launch: Launch):
        self.trainer, self.launch = trainer, launch
        self.failure: BaseException | None = None
        self.watch: Lifeline | None = None
        self._signal: int | None = None
        self._own_lost = ""
        self._over = threading.Event()
        self._handlers: dict[int, Any] = {}
        self._early: EarlySignals | None = None
        self._takes_signals = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        """Watches the processes that this one starts, before they have met."""
        if self._takes_signals:
            self._handlers = {s: signal.getsignal(s) for s in SIGNALS}
            first = self.launch.rank == 0
            for signum in SIGNALS:  # torch would hold them back until all have met
                signal.signal(signum, self._stop if first else signal.SIG_DFL)
            self._early = EarlySignals() if first else None
        threading.Thread(target=self._watch_own, daemon=True, name="process-watch").start()
        return self

    def begin(self, gather: Callable[[Any], list[Any]]) -> None:
        """Takes the signals from Lightning, and connects the processes, which have met."""
        if self._takes_signals:
            for signum in SIGNALS:
                signal.signal(signum, self._stop)
            _keep_handlers(self.trainer, self._stop)
            if self.trainer.received_sigterm:  # Lightning has noted it, and would go on
                self._stop(signal.SIGTERM, None)
        _end_observer()
        if self.trainer.world_size > 1:
            watch = Lifeline(self.trainer.global_rank, self.trainer.world_size, self._interrupt)
            watch.connect(gather, main_address())
            self.watch = watch
        self._close_early()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Stopped) and self._signal == signal.SIGTERM:
            self._learn_why()
        self._over.set()
        self._close_early()
        if self.watch is None and isinstance(error, RuntimeError):
            self._learn_of_own()
        raised = None if error is None else self._raised(error)
        if self.watch is not None:
            first = self.trainer.global_rank == 0
            was_signalled = isinstance(raised, KeyboardInterrupt)
            stop = STOP if first else SIGNALLED if was_signalled else ENDED
            self.watch.close(ENDED if error is None else stop)
        if error is not None:
            self._end_others()
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        if raised is not None and raised is not error:
            raise raised from (None if raised is self.failure else error)

    def lost(self) -> ProcessLost:
        """Returns the error to raise when the other processes cannot be reached any more."""
        self._learn_why(2.0)
        return ProcessLost(self._why or "another process of the run has ended.")

    def _raised(self, error: BaseException) -> BaseException:
        """Returns what this process ends with, which one of all processes tells."""
        watch = self.watch
        if isinstance(self.failure, AnotherFailed):
            return self.failure
        if isinstance(error, Stopped) and self._signal == signal.SIGINT:
            return KeyboardInterrupt()
        if self.failure is not None:
            return self._claimed(self.failure)
        if watch is not None and watch.others_word:
            return AnotherFailed()
        if self._why or isinstance(error, ProcessLost):
            lost = ProcessLost(self._why or str(error))
            if not self._speaks_for_lost:
                return AnotherFailed()
            lost.is_told_here = True
            return lost
        if isinstance(error, Stopped):
            return Terminated()
        return self._claimed(error)

    def _claimed(self, error: BaseException) -> BaseException:
        """Returns an error of this process; `AnotherFailed` if another one tells its own."""
        if self.watch is None:
            return error
        if not self.watch.may_tell():
            return AnotherFailed()
        error.is_told_here = True  # type: ignore[attr-defined]
        return error

    @property
    def _why(self) -> str:
        """What is said of the process that was lost, in most detail."""
        return self._own_lost or ("" if self.watch is None else self.watch.lost)

    def _learn_why(self, seconds: float = 1.0) -> None:
        """Waits a moment for what is known of the end of another process."""
        watch, end = self.watch, time.monotonic() + seconds
        while watch is not None and time.monotonic() < end:
            if self._why or watch.others_word or watch.signalled:
                break
            time.sleep(POLL / 5)
        if watch is not None and watch.lost and self._others:
            time.sleep(2 * POLL)  # the system says how it ended a little later

    @property
    def _others(self) -> list[subprocess.Popen]:
        return getattr(self.trainer.strategy.launcher, "procs", [])

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        if self._signal is None:  # one is enough: what follows it cleans up
            self._signal = signum
            if self._over.is_set():  # what turns it into an error is done
                if self.watch is not None:
                    self.watch.close(STOP if self.trainer.global_rank == 0 else SIGNALLED)
                raise KeyboardInterrupt if signum == signal.SIGINT else Terminated
            raise Stopped

    def _interrupt(self) -> None:
        """Ends the work of this process, from another thread."""
        if self._over.is_set():
            return
        os.kill(os.getpid(), signal.SIGTERM)
        if not self._over.wait(GRACE):  # it is stuck in an exchange with the others
            self._leave()

    def _leave(self) -> None:
        """Ends this process from another thread, as its own does not go on."""
        if self._speaks_for_lost and not (self.watch and self.watch.others_word):
            self._say(self._why or "another process of the run has ended.")
        self._end_others()
        os._exit(1)

    @property
    def _speaks_for_lost(self) -> bool:
        """Whether this process says that another was killed."""
        return self.launch.rank < 2 if self.watch is None else self.watch.speaks_for_lost()

    def _say(self, text: str) -> None:
        before = " The work had not begun: repeat the command." if self.watch is None else ""
        print(f"\nfastflow: {text}{before}", file=sys.stderr, flush=True)

    def _watch_own(self) -> None:
        """Notices how a process ended that this one has started, or that has started this one.

        Until all have met, also signals, in place of the main thread.
        """
        while not self._over.wait(POLL):
            self._own_lost = self._own_lost or self._first_lost()
            if self.watch is None:
                _end_observer()
                self._leave_before_meeting()

    def _leave_before_meeting(self) -> None:
        """Ends this process if it was interrupted, or if the others will never come."""
        if self._own_lost:
            time.sleep(POLL)  # a signal to all of them has reached this one by now
        early = self._early  # the main thread may close it at any time
        if early is not None and (signum := early.heard()):
            if not self._over.wait(4 * POLL):  # the main thread does not hear it
                self._say("interrupted.")
                self._end_others()
                os._exit(128 + signum)
        elif self._own_lost and not self._over.is_set() and self.watch is None:
            self._leave()

    def _first_lost(self) -> str:
        """Returns what is said of the first process that did not end well; empty if all live."""
        if starter_is_gone():
            number = self.trainer.node_rank * self.trainer.num_devices + 1
            return f"process {number} of {self._size} (pid {starter()}) was killed or lost."
        expected = ENDED_BY_SIGNAL if self.watch else ()
        for rank, process in enumerate(self._others, start=1):
            if (code := process.poll()) and code not in expected:
                how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
                why = ", probably as memory ran out" if code == -signal.SIGKILL else ""
                return f"process {rank + 1} of {self._size} (pid {process.pid}) {how}{why}."
        return ""

    def _learn_of_own(self) -> None:
        """Waits a moment for the end of a process, which may be why this one failed."""
        until = time.monotonic() + 4 * POLL
        while self._size > 1 and not self._own_lost and time.monotonic() < until:
            time.sleep(POLL / 5)
            self._own_lost = self._first_lost()

    def _close_early(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.close()

    @property
    def _size(self) -> int:
        return self.trainer.world_size

    def _end_others(self) -> None:
        for process in self._others:
            process.terminate()
        for process in self._others:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE / 2)
                continue
            process.kill()


def _end_observer() -> None:
    """Ends Lightning's own watch, which looks every 5 s and kills this process with another."""
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            thread._child_processes = []  # type: ignore[attr-defined]


def _keep_handlers(trainer: Any, handler: Callable[[int, FrameType | None], None]) -> None:
    """Lets Lightning end with this handler, and not with the one from before the run.

    It puts that back before this process has told the others of its end.
    """
    connector = getattr(trainer, "_signal_connector", None)
    getattr(connector, "_original_handlers", {}).update(dict.fromkeys(SIGNALS, handler))
