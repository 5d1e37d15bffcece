"""What the first step of a run shows: whether it can be followed, and what a step does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from torch import Tensor

from fastflow.acceleration.seen.scheduler_step import direction

FEWEST_FOLLOWED = 0.5  # of a run's steps; a run that can be followed for fewer is computed


@dataclass(frozen=True)
class RunBegin:
    """Holds the first step of a run.

    Args:
        network_calls: how many network calls were seen before it.
        sigmas: the scheduler's sigmas from this step on, ``(T + 1,)``; None if it shows none.
        x: the latents before the step, ``(B, ...)``.
        v: the velocity handed over, ``(B, ...)``.
        x_next: the latents after the step, ``(B, ...)``.
        drew: whether the step drew random numbers.
    """

    network_calls: int
    sigmas: Tensor | None
    x: Tensor
    v: Tensor
    x_next: Tensor
    drew: bool

    @cached_property
    def sigma(self) -> Sequence[float]:
        """The sigmas as numbers, read back from the device once."""
        return () if self.sigmas is None else tuple(self.sigmas.tolist())

    @cached_property
    def _fallen(self) -> int:
        """The number of first steps in which sigma falls."""
        falls = [b < a for a, b in pairwise(self.sigma)]
        return falls.index(False) if False in falls else len(falls)

    @property
    def falling(self) -> Tensor:
        """The sigmas for as long as they fall."""
        assert self.sigmas is not None
        return self.sigmas[: self._fallen + 1]

    def why_not(self) -> str:
        """Returns why the run cannot be followed; empty if it can."""
        steps = len(self.sigma) - 1
        if not self.network_calls:
            return (
                "no call of the pipeline's network was seen before its first step; calls of "
                "`forward`, or from another thread, are not"
            )
        if self.sigmas is None:
            return "the scheduler shows no list of sigmas"
        if self._fallen < max(2, FEWEST_FOLLOWED * steps):
            a, b = self.sigma[self._fallen : self._fallen + 2] if self._fallen < steps else (0, 0)
            return (
                f"sigma does not fall in step {self._fallen} of {steps}, where it goes from "
                f"{a:.4g} to {b:.4g}: a velocity cannot be extrapolated there"
            )
        if self.x_next.shape != self.x.shape:
            return "the scheduler's step changes the shape of the latents"
        if self.drew:
            return "the scheduler's steps add noise"
        return ""

    def direction(self) -> int:
        """Returns 1 if the step was Euler's, -1 if v was negated, 0 if it was neither."""
        return direction(self.x, self.v, self.x_next, self.sigma[1] - self.sigma[0])

    def notes(self, scheduler: str, sign: int) -> list[str]:
        """Returns what a user should know.

        Args:
            scheduler: the name of its class.
            sign: the direction of its steps; 0 if they are not Euler's.
        """
        notes = []
        if not sign:
            notes.append(
                f"{scheduler} does not take Euler steps: velocities are extrapolated, latents are "
                "not corrected, and a plan's weights are not used"
            )
        if self._fallen < len(self.sigma) - 1:
            notes.append(
                f"sigma does not fall in step {self._fallen}: from there on all is computed"
            )
        return notes
