"""What the first step of a run shows: whether it can be followed, and what a step does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from fastflow.acceleration.seen.scheduler_step import NOTHING, SchedulerStep, direction
from fastflow.acceleration.seen.sigma_place import SigmaPlace

FindPlace = Callable[[Any], "SigmaPlace | None"]

FEWEST_STEPS = 2
FEWEST_FOLLOWED = 0.5  # of a run's steps; a run that can be followed for fewer is computed


@dataclass(frozen=True)
class RunBegin:
    """Holds the first step of a run.

    Args:
        network_calls: how many network calls were seen before it.
        place: where it stands in the scheduler's sigmas; None if that shows none.
        x: the latents before the step, ``(B, ...)``.
        v: the velocity handed over, ``(B, ...)``.
        x_next: the latents after the step, ``(B, ...)``; `NOTHING` if they are not known.
        drew: whether the step drew random numbers.
        writes_x: whether it wrote into the latents that it was given.
        writes_v: whether it wrote into the velocity.
    """

    network_calls: int
    place: SigmaPlace | None
    x: Tensor
    v: Tensor
    x_next: Tensor
    drew: bool
    writes_x: bool
    writes_v: bool

    @classmethod
    def taken(cls, step: SchedulerStep, network_calls: int, place: FindPlace) -> RunBegin:
        """Takes the first step of a run, and returns what it showed.

        Args:
            step: the step.
            network_calls: how many network calls were seen before it.
            place: returns where a step was just taken, given its time.
        """
        before, x, v = step.random_state(), step.x.clone(), step.v.clone()
        x_next = step.take(step.x, step.v)
        drew = not all(map(torch.equal, before, step.random_state()))
        wrote = not torch.equal(x, step.x), not torch.equal(v, step.v)
        return cls(network_calls, place(step.time), x, v, x_next, drew, *wrote)

    @cached_property
    def sigma(self) -> Sequence[float]:
        """The sigmas as numbers, read back from the device once."""
        return () if self.place is None else tuple(self.place.ahead.tolist())

    @cached_property
    def _fallen(self) -> int:
        """The number of first steps in which sigma falls."""
        falls = [b < a for a, b in pairwise(self.sigma)]
        return falls.index(False) if False in falls else len(falls)

    @property
    def falling(self) -> Tensor:
        """The sigmas for as long as they fall."""
        assert self.place is not None
        return self.place.ahead[: self._fallen + 1]

    def why_not(self) -> str:
        """Returns why the run cannot be followed; empty if it can."""
        steps = len(self.sigma) - 1
        if not self.network_calls:
            return (
                "no call of the pipeline's network was seen before its first step; calls of "
                "`forward`, from another thread, or compiled with their caller, are not"
            )
        if self.place is None:
            return "the scheduler does not show in a list of sigmas which step it takes"
        if steps < FEWEST_STEPS:
            return f"a run of {steps} step{'s' * (steps != 1)} leaves nothing to skip"
        if self._fallen < max(FEWEST_STEPS, FEWEST_FOLLOWED * steps):
            a, b = self.sigma[self._fallen : self._fallen + 2]
            return (
                f"sigma does not fall in step {self._fallen} of {steps}, where it goes from "
                f"{a:.4g} to {b:.4g}: a velocity cannot be extrapolated there"
            )
        if self.x.ndim < 2 or not self.x.numel():
            return f"latents of the shape {tuple(self.x.shape)} are no batch of samples"
        if self.x_next is NOTHING:
            return "the scheduler's step returns its latents in a form that is not known"
        if self.x_next.shape != self.x.shape:
            return "the scheduler's step changes the shape of the latents"
        if self.drew:
            return "the scheduler's steps add noise"
        return ""

    def direction(self) -> int:
        """Returns 1 if the step was Euler's, -1 if v was negated, 0 if it was neither.

        It is 0 too where x was written into: its owner may count on that, and not on the result.
        """
        if self.writes_x:
            return 0
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
