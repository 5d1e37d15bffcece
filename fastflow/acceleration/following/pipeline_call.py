"""One call of an accelerated object, and the denoising runs in it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import torch

from fastflow.acceleration.following import reasons
from fastflow.acceleration.following.denoising_run import DenoisingRun, FirstStep
from fastflow.acceleration.following.session import Session
from fastflow.acceleration.seen import Caller


@dataclass
class Call:
    """Holds what is known of a call while it runs.

    Attributes:
        caller: tells who calls a part: what callbacks call is not the pipeline's.
        run: the denoising run in progress; None between runs.
        ended: the denoising runs that ended, in their order.
        thread: the thread that makes it.
        reason: why nothing may be skipped in it; empty if something may.
        was_interrupted: whether its runs were told to stop early.
        elsewhere: the network calls that the pipeline made in other threads.
    """

    caller: Caller = field(default_factory=Caller)
    run: DenoisingRun | None = None
    ended: list[DenoisingRun] = field(default_factory=list)
    thread: int = field(default_factory=threading.get_ident)
    reason: str = ""
    was_interrupted: bool = False
    elsewhere: list[int] = field(default_factory=list)

    def stop(self, reason: str) -> None:
        """Computes every step from here on."""
        self.reason = self.reason or reason
        if isinstance(self.run, Session):
            self.run.give_up(reason)

    def end_run(self) -> None:
        """Ends the run in progress; network calls that no step followed are counted too."""
        run, self.run = self.run, None
        if isinstance(run, FirstStep):
            if run.after is not None:  # a last network call, which no step has to follow
                run.after.calls += run.calls
                return
            run = run.becomes(DenoisingRun(self.reason or reasons.NO_STEP)) if run.calls else None
        if run is not None:
            self.ended.append(run)

    def end(self) -> None:
        """Ends the call."""
        self.end_run()
        if self.elsewhere:
            if not self.ended:
                self.ended.append(DenoisingRun(self.reason))
            self.ended[-1].calls += sum(self.elsewhere)

    def run_of_network(self) -> DenoisingRun:
        """Returns the run that a network call belongs to, and begins it."""
        if isinstance(self.run, Session) and self.run.is_whole and not self.run.turn:
            whole = self.run
            self.end_run()
            self.run = self._first(whole)
        return self.run_of_step()

    def run_of_step(self) -> DenoisingRun:
        """Returns the run in progress; a new one if there is none."""
        self.run = self.run or self._first(None)
        return self.run

    def _first(self, after: DenoisingRun | None) -> DenoisingRun:
        return DenoisingRun(self.reason) if self.reason else FirstStep(after)

    def trouble(self) -> str:
        """Returns why the call taught nothing or was computed in full; empty if all went well."""
        if self.was_interrupted:
            return "the last call was interrupted: it taught nothing."
        for run in self.ended:
            if isinstance(run, Session) and run.end is None and not run.reason:
                return (
                    f"the last call ended after {run.taken} of {run.grid.steps} steps: it taught "
                    "nothing. The next one is followed to there."
                )
            if run.reason:
                return f"steps were computed that might have been skipped: {run.reason}."
        if not all(_is_finite(run) for run in self.ended):
            return "the last call's latents are not finite (NaN or infinity): it taught nothing."
        return ""


def _is_finite(run: DenoisingRun) -> bool:
    return run.end is None or bool(torch.isfinite(run.end.x).all())
