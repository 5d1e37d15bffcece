"""Where in its list of sigmas a scheduler stands, and whether it still stands where it should."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fastflow.acceleration.seen.input_watch import version_of


class SigmaPlace:
    """Holds where a run began; made when its first step was taken.

    Args:
        scheduler: the scheduler.
        sigmas: its sigmas, ``(T + 1,)``.
        index: the index of the run's first step in them.
    """

    def __init__(self, scheduler: Any, sigmas: Tensor, index: int):
        self.scheduler, self.sigmas, self.index = scheduler, sigmas, index
        self._version = version_of(sigmas)
        self._is_counted = self._now() is not None

    @property
    def ahead(self) -> Tensor:
        """The sigmas from the run's first step on."""
        return self.sigmas[max(self.index, 0) :]

    def why_not(self, taken: int) -> str:
        """Returns why the scheduler's next step is not the next of the run; empty if it is.

        Args:
            taken: the number of steps that the run has taken.
        """
        scheduler, sigmas = self.scheduler, self.sigmas
        if scheduler.sigmas is not sigmas or version_of(sigmas) != self._version:
            return f"the scheduler's sigmas were changed after step {taken - 1}"
        now = self._now() if self._is_counted else self.index + taken
        if now == self.index + taken:
            return ""
        to = "to none" if now is None else f"to step {now - self.index}"
        return f"the scheduler was put {to} after step {taken - 1}"

    def _now(self) -> int | None:
        return getattr(self.scheduler, "step_index", None)
