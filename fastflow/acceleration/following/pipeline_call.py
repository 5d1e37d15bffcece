"""One call of an accelerated object, and the denoising runs in it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import torch

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
    """

    caller: Caller = field(default_factory=Caller)
    run: DenoisingRun | None = None
    ended: list[DenoisingRun] = field(default_factory=list)
    thread: int = field(default_factory=threading.get_ident)
    reason: str = ""
    was_interrupted: bool = False

    def stop(self, reason: str) -> None:
        """Computes every step from here on."""
        self.reason = self.reason or reason
        if isinstance(self.run, Session):
            self.run.give_up(reason)

    def end_run(self) -> None:
        """Ends the run in progress; network calls that no step followed are counted too."""
        run, self.run = self.run, None
        if isinstance(run, FirstStep):
            run = run.becomes(DenoisingRun(NO_STEP)) if run.calls else None
        if run is not None:
            self.ended.append(run)

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


NO_STEP = "the scheduler of the pipeline took no step after the network calls"


def _is_finite(run: DenoisingRun) -> bool:
    return run.end is None or bool(torch.isfinite(run.end.x).all())
