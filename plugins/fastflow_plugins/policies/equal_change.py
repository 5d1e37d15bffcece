"""A schedule whose gaps all contain the same change of the velocity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fastflow.integration import Episode, Grid
from fastflow.policies import Memory, Policy
from fastflow.sampling import Recording
from fastflow_plugins.policies.published.teacache import relative_change
from fastflow_plugins.policies.static import Schedule, check_at_most_all


@dataclass(frozen=True, kw_only=True)
class EqualChange(Policy):
    """Computes a given number of steps, with an equal change of the velocity between them.

    A static schedule from a model's profile: computed steps are dense where the velocity changes
    much from step to step (relative L1, as in Figure 4 of https://arxiv.org/abs/2602.11105).

    Args:
        computed_steps: how many steps are computed, the first and the last among them.
        changes: the relative change from each step to the next, ``T - 1`` numbers, noise first;
            `calibrated` fits them to trajectories. If empty, every change is taken to be equal.
    """

    computed_steps: int = 19
    changes: tuple[float, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "changes", tuple(self.changes))
        if self.computed_steps < 2:
            raise ValueError(f"`computed_steps` must be 2 or more, got {self.computed_steps}.")
        if any(not change >= 0 for change in self.changes):
            raise ValueError(f"`changes` must be 0 or more, got {list(self.changes)}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        changes = self.changes or (1.0,) * (grid.steps - 1)
        if len(changes) != grid.steps - 1:
            raise ValueError(
                f"`changes` has {len(changes)} numbers; a grid of {grid.steps} steps has "
                f"{grid.steps - 1} changes from step to step."
            )
        check_at_most_all(self.computed_steps, grid)
        return Schedule(equally(changes, self.computed_steps))

    def calibrated(self, recording: Recording) -> EqualChange:
        """Returns the policy with the mean change of the recorded velocities at each step."""
        profiles = [
            [relative_change(b, a) for a, b in pairwise(v)]
            for v in (trajectory.velocities for trajectory in recording.trajectories.values())
        ]
        return replace(self, changes=tuple(np.mean(profiles, axis=0).tolist()))


def equally(changes: tuple[float, ...], count: int) -> frozenset[int]:
    """Returns ``count`` steps, both ends included, with about equal sums of changes between."""
    total = np.concatenate([[0.0], np.cumsum(changes)])
    last = len(changes)
    steps = [0]
    for i in range(1, count):
        wanted = total[-1] * i / (count - 1)
        nearest = int(np.abs(total - wanted).argmin())
        # each step at most once, leaving enough steps for those that follow
        steps.append(min(max(nearest, steps[-1] + 1), last - (count - 1 - i)))
    return frozenset(steps)
