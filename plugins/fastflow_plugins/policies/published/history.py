"""What the published rules look at: the latents and the velocities of the last computed steps."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from fastflow.integration import StepContext


class ComputedStep(NamedTuple):
    """Holds a computed step: its number, its sigma, and the latents and the velocity there."""

    step: int
    t: float
    x: Tensor
    v: Tensor


class History:
    """Follows one trajectory, seen step by step.

    Attributes:
        steps: the number of computed steps so far.
        last: the last computed step.
        before: the computed step before that, if no jump lies between the two.
        previous: the context of the previous step, computed or skipped.
    """

    def __init__(self):
        self.steps = 0
        self.last: ComputedStep | None = None
        self.before: ComputedStep | None = None
        self.previous: StepContext | None = None

    def see(self, context: StepContext) -> StepContext | None:
        """Takes the context of the next step before it is decided; returns the previous one."""
        previous, self.previous = self.previous, context
        past = context.last
        if past is not None and previous is not None and past.step == previous.index:
            continues = past.step not in context.grid.jumps
            self.before = self.last if continues else None
            self.last = ComputedStep(past.step, past.t, previous.x, past.v)
            self.steps += 1
        return previous
