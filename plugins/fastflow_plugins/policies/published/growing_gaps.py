"""Spectrum's schedule: gaps between computed steps that grow along the trajectory."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastflow.integration import Episode, Grid
from fastflow.policies import Memory, Policy
from fastflow_plugins.policies.static import Schedule


@dataclass(frozen=True, kw_only=True)
class GrowingGaps(Policy):
    """Computes the first steps and then ever fewer: the schedule published with Spectrum.

    After ``first`` steps, all computed, the next computed step comes ``floor(gap)`` steps later,
    and the gap grows by a constant each time. Reference: https://arxiv.org/abs/2603.01623, whose
    public code runs FLUX with a first gap of 2 that grows by 0.75.

    Args:
        growth: by how many steps the gap grows with each computed step.
        gap: the first gap, in steps from one computed step to the next.
        first: how many of the first steps are all computed.
    """

    growth: float = 0.75
    gap: float = 2.0
    first: int = 5

    def __post_init__(self):
        for name, least in (("growth", 0), ("gap", 1), ("first", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"`{name}` must be {least} or more, got {getattr(self, name)}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        steps, gap = list(range(min(self.first, grid.steps))), self.gap
        while (following := steps[-1] + math.floor(round(gap, 3))) < grid.steps:
            steps.append(following)
            gap += self.growth
        return Schedule(frozenset(steps))
