"""A schedule with as much change of the velocity in every gap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fastflow.integration import Episode, Grid
from fastflow.policies import Memory, Policy
from fastflow.sampling import Recording
from fastflow_plugins.policies.static import Schedule
from fastflow_plugins.policies.teacache import relative_change


@dataclass(frozen=True, kw_only=True)
class EqualChange(Policy):
    """Computes a given number of steps, the velocity changing equally much between them.

    A fixed schedule made from the profile of a model: where velocities change much from step to
    step (relative L1, as in the paper's Figure 4) the computed steps are dense.

    Args:
        computed_steps: how many steps are computed, the first and the last among them.
        changes: the relative change from each step to the next, ``T - 1`` numbers; fitted to
            trajectories if there are none.
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
        if self.computed_steps > grid.steps:
            raise ValueError(
                f"`computed_steps` must be at most {grid.steps} on a grid of {grid.steps} steps, "
                f"got {self.computed_steps}."
            )
        return Schedule(equally(changes, self.computed_steps))

    def calibrated(self, recording: Recording) -> EqualChange:
        """Takes the mean change of the recorded velocities at each step."""
        profiles = [
            [relative_change(b, a) for a, b in pairwise(v)]
            for v in (trajectory.velocities for trajectory in recording.trajectories.values())
        ]
        return replace(self, changes=tuple(np.mean(profiles, axis=0).tolist()))


def equally(changes: tuple[float, ...], count: int) -> frozenset[int]:
    """Returns ``count`` steps, both ends included, with equal sums of changes between them."""
    so_far = np.concatenate([[0.0], np.cumsum(changes)])
    last = len(changes)
    steps = [0]
    for i in range(1, count):
        wanted = so_far[-1] * i / (count - 1)
        nearest = int(np.abs(so_far - wanted).argmin())
        # each step once, with room for those that follow
        steps.append(min(max(nearest, steps[-1] + 1), last - (count - 1 - i)))
    return frozenset(steps)
