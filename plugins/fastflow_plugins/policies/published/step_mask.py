"""cache-dit's step masks, scaled to a number of computed steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastflow.integration import Episode, Grid
from fastflow.policies import Memory, Policy
from fastflow_plugins.policies.static import Schedule, check_at_most_all

# each mask is for 28 steps: runs of computed and of skipped steps in turn
MASKS = {
    "slow": (8, 1, 3, 2, 3, 2, 2, 2, 1, 3, 1),
    "medium": (6, 1, 2, 3, 2, 3, 2, 3, 2, 3, 1),
    "fast": (6, 1, 1, 3, 1, 4, 1, 5, 1, 4, 1),
    "ultra": (4, 2, 1, 5, 1, 6, 1, 7, 1),
}


@dataclass(frozen=True, kw_only=True)
class StepMask(Policy):
    """Computes the steps of a mask of cache-dit, scaled to a number of computed steps.

    The four masks are published for 28 steps, of which they compute 18, 15, 11 and 8. The one
    whose share of computed steps is nearest is taken, and its computed steps are interpolated to
    the number asked for; at 28 steps and one of these numbers it is the published mask. cache-dit
    leaves out blocks of the network; here whole velocities are skipped.
    Reference: `steps_mask` of https://github.com/vipshop/cache-dit, version 1.5.

    Args:
        computed_steps: how many steps are computed, the first and the last included; further
            steps that the grid forces are added.
    """

    computed_steps: int = 19

    def __post_init__(self):
        if self.computed_steps < 2:
            raise ValueError(f"`computed_steps` must be 2 or more, got {self.computed_steps}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        check_at_most_all(self.computed_steps, grid)
        share = self.computed_steps / grid.steps
        masks = [computed_of(runs) for runs in MASKS.values()]
        nearest = min(masks, key=lambda mask: abs(len(mask) / (mask[-1] + 1) - share))
        return Schedule(scaled(nearest, grid.steps, self.computed_steps))


def computed_of(runs: tuple[int, ...]) -> list[int]:
    """Returns the computed steps of a mask, whose runs are computed and skipped in turn."""
    kinds = np.arange(len(runs)) % 2 == 0
    return np.flatnonzero(np.repeat(kinds, runs)).tolist()


def scaled(mask: list[int], steps: int, count: int) -> frozenset[int]:
    """Returns ``count`` of ``steps`` steps, as densely distributed as the steps of a mask."""
    ranks = np.linspace(0, len(mask) - 1, count)
    places = np.interp(ranks, np.arange(len(mask)), mask) * (steps - 1) / mask[-1]
    chosen = [0]
    for i in range(1, count):
        # each step at most once, leaving enough steps for those that follow
        earliest, latest = chosen[-1] + 1, steps - (count - i)
        chosen.append(min(max(round(places[i]), earliest), latest))
    return frozenset(chosen)
