"""MeanCache: average velocities from finite differences, on a path that suppresses peaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastflow.evaluation import Bench, Learned
from fastflow.integration import Grid
from fastflow.sampling import RecordedTrajectory, Request
from fastflow_plugins.methods.published.linear_schedule import (
    Scheduled,
    WeightedNodes,
    displacements,
    grid_of,
    mean_absolute,
    recorded,
    recording_calls,
)
from fastflow_plugins.methods.published.shortest_path import Gap, gaps, least_sum, piece_start


@dataclass(frozen=True, kw_only=True)
class MeanCache(Scheduled):
    """Bridges each gap with estimated average velocities, on the path of least summed power.

    The average velocity from step t to step s is estimated as

        u = v_t + (sigma_s - sigma_t) J,    J = (u_rt - v_r) / (sigma_t - sigma_r),

    with r the step that lies K steps before t, v_r the velocity used there, and u_rt the average
    velocity from r to t, ``(x_t - x_r) / (sigma_t - sigma_r)``. K = 1 reuses v_t. Each gap has
    the K for which u, over the whole gap, is closest to the true average of the recorded full
    runs, in the mean absolute difference C. The schedule minimises ``sum C^gamma`` at the given
    number of computed steps. Reference: MeanCache (https://arxiv.org/abs/2601.19961).

    A run takes u anew at each skipped step, from that step to the next one and with the K of its
    gap, as the authors' code for Z-Image does (https://github.com/UnicomAI/MeanCache); v_t is
    then the velocity used at the step before. One u over a whole gap, which the paper's formula
    also allows, lost 5 dB on `flux_mini`.

    Args:
        computed_steps: how many steps are computed.
        gamma: the exponent of a gap's cost; larger values avoid the worst gaps.
        spans: the values of K among which each gap chooses.
        longest: the most steps that are skipped in a row.
    """

    gamma: float = 4.0
    spans: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    longest: int = 8

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "spans", tuple(self.spans))
        if not self.gamma > 0:
            raise ValueError(f"`gamma` must be above 0, got {self.gamma}.")
        if self.longest < 1:
            raise ValueError(f"`longest` must be 1 or more, got {self.longest}.")
        if not self.spans or min(self.spans) < 1:
            raise ValueError(f"`spans` must hold numbers from 1 on, got {self.spans}.")

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        trajectories, grid = recorded(bench), grid_of(bench)
        costs, spans = deviations(trajectories, grid, self.spans, self.longest)
        powers = {gap: cost**self.gamma for gap, cost in costs.items()}
        nodes = least_sum(powers, grid, self.computed_steps)
        plan = average_schedule(nodes, spans, grid).plan(grid)
        return Learned(plan, len(trajectories), recording_calls(bench, trajectories))


def slope_before(
    moved: np.ndarray, velocities: np.ndarray, grid: Grid, t: int, span: int
) -> np.ndarray:
    """Returns J at step t, in any basis of M velocities.

    Args:
        moved: ``(T + 1, M)`` the displacement from the start, up to step t.
        velocities: ``(T, M)`` the velocity used at each step before t.
        grid: the time grid.
        t: the step.
        span: K, the number of steps from r to t; fewer if the piece begins later.
    """
    r = max(t - span, piece_start(t, grid))
    if r == t:
        return np.zeros(moved.shape[1])
    elapsed = grid.sigma[t] - grid.sigma[r]
    return ((moved[t] - moved[r]) / elapsed - velocities[r]) / elapsed


def deviations(
    trajectories: Sequence[RecordedTrajectory], grid: Grid, spans: Sequence[int], longest: int
) -> tuple[dict[Gap, float], dict[Gap, int]]:
    """Returns each gap's least mean absolute error of u over all K, and the K that has it."""
    each, moved = np.eye(grid.steps), displacements(np.eye(grid.steps), grid)
    keys = [(gap, span) for gap in gaps(grid, longest) for span in spans]
    rows = []
    for (t, s), span in keys:
        gap = grid.sigma[s] - grid.sigma[t]
        slope = slope_before(moved, each, grid, t, span if s > t + 1 else 1)
        rows.append((moved[s] - moved[t]) / gap - (each[t] + gap * slope))
    costs: dict[Gap, float] = {}
    best: dict[Gap, int] = {}
    for (gap, span), cost in zip(keys, mean_absolute(trajectories, np.array(rows)), strict=True):
        if gap not in costs or cost < costs[gap]:
            costs[gap], best[gap] = float(cost), span
    return costs, best


def average_schedule(nodes: Sequence[int], spans: dict[Gap, int], grid: Grid) -> WeightedNodes:
    """Returns the schedule that takes the estimated average velocity at each skipped step.

    Args:
        nodes: the computed steps.
        spans: K of each gap.
        grid: the time grid.
    """
    velocities = np.zeros((grid.steps, len(nodes)))
    moved, rows = np.zeros((grid.steps + 1, len(nodes))), []
    for i, (t, s) in enumerate(zip(nodes, [*nodes[1:], grid.steps], strict=True)):
        velocities[t, i] = 1.0
        for k in range(t, s):
            dsigma = grid.sigma[k + 1] - grid.sigma[k]
            if k > t:
                slope = slope_before(moved, velocities, grid, k, spans[t, s])
                velocities[k] = velocities[k - 1] + dsigma * slope
            moved[k + 1] = moved[k] + dsigma * velocities[k]
        rows.append(tuple(moved[s, : i + 1].tolist()))
    return WeightedNodes(tuple(nodes), tuple(rows))
