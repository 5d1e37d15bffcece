"""LeMiCa: the path whose worst segment harms the final state least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fastflow.evaluation import Bench, Learned
from fastflow.integration import Grid
from fastflow.sampling import FlowModel, RecordedTrajectory, Request
from fastflow_plugins.methods.published.linear_schedule import (
    Run,
    Scheduled,
    WeightedNodes,
    calls_of,
    combined,
    grid_of,
    held,
    recorded,
    recording_calls,
    run_all,
    states,
)
from fastflow_plugins.methods.published.shortest_path import Gap, gaps, least_worst


@dataclass(frozen=True, kw_only=True)
class LeMiCa(Scheduled):
    """Reuses the last velocity in gaps, on the lexicographic minimax path of their final errors.

    The cost of a gap is its *final* error: a full run in which the velocity is reused in this one
    gap and every other step is computed, against the full run itself, as the mean absolute
    difference of the final latents, averaged over prompts. Among the schedules of the given
    number of computed steps, the chosen one has the least worst cost; ties are settled by the
    second worst, and so on. Learning takes a partial run for every gap and prompt, about
    ``longest / 2`` times T full runs. Reference: LeMiCa (https://arxiv.org/abs/2511.00090), whose
    cache holds the residual of the blocks where this one holds the velocity.

    Args:
        computed_steps: how many steps are computed.
        prompts: how many tuning prompts the final errors are measured on.
        longest: the most steps that are skipped in a row.
    """

    prompts: int = 1
    longest: int = 8

    def __post_init__(self):
        super().__post_init__()
        for name in ("prompts", "longest"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        trajectories, grid = recorded(bench, self.prompts), grid_of(bench)
        allowed, calls = list(gaps(grid, self.longest)), recording_calls(bench, trajectories)
        total = np.zeros(len(allowed))
        for trajectory in trajectories:
            errors, more = final_errors(bench.model, trajectory, allowed, bench.max_batch)
            total += errors
            calls += more
        costs = dict(zip(allowed, (total / len(trajectories)).tolist(), strict=True))
        nodes = least_worst(costs, grid, self.computed_steps)
        return Learned(held(nodes, grid).plan(grid), len(trajectories), calls)


def final_errors(
    model: FlowModel, trajectory: RecordedTrajectory, allowed: Sequence[Gap], max_batch: int
) -> tuple[np.ndarray, int]:
    """Returns what each gap alone does to the final latents, and the network calls it took.

    Args:
        model: the loaded model.
        trajectory: the recorded full run.
        allowed: the gaps to measure.
        max_batch: the largest number of runs at a time.
    """
    problem, full = trajectory.problem, states(trajectory)
    sigma, steps = problem.grid.sigma, problem.grid.steps
    errors, runs, numbers = np.zeros(len(allowed)), [], []
    for number, (k, end) in enumerate(allowed):
        x = combined(full[k], [sigma[end] - sigma[k]], [trajectory.velocities[k]])
        if end == steps:
            errors[number] = _distance(x, full[-1])
        elif end > k + 1:
            numbers.append(number)
            runs.append(Run(problem, rest_in_full(end, problem.grid), x))
    for number, x in zip(numbers, run_all(model, runs, max_batch), strict=True):
        errors[number] = _distance(x, full[-1])
    return errors, calls_of(model, runs)


def rest_in_full(step: int, grid: Grid) -> WeightedNodes:
    """Returns the schedule that starts at a step and computes every step from there on."""
    return held(range(step, grid.steps), grid)


def _distance(x: Tensor, y: Tensor) -> float:
    return float((x.double() - y.double()).abs().mean())
