"""OSS: dynamic programming over the states that a solver with fewer steps really reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fastflow.evaluation import Bench, Learned
from fastflow.integration import Grid
from fastflow.planning import check_computed_steps
from fastflow.sampling import FlowModel, RecordedTrajectory, Request
from fastflow_plugins.methods.published.linear_schedule import (
    Scheduled,
    combined,
    grid_of,
    held,
    recorded,
    recording_calls,
    states,
)
from fastflow_plugins.methods.published.shortest_path import gaps


@dataclass(frozen=True, kw_only=True)
class OptimalSteps(Scheduled):
    """Reuses the last velocity in gaps, on the steps that keep nearest to the full run.

    The cell (n, j) keeps one real state of the student: among all states at step j that it
    reaches with n computed steps from the states of the cells (n - 1, i), i < j, it is the one
    with the least mean square difference from the full run's state at j. Tracing back from the
    end gives a prompt's steps; the schedule has the median of the prompts' steps at each place.
    A prompt takes at most N full runs' calls for N computed steps. Reference: OSS
    (https://arxiv.org/abs/2503.21774, https://github.com/bebebe666/OptimalSteps).

    The authors' code also lets a run begin at a later step, with the noise as its state, and lets
    it take fewer steps; here a run begins at step 0 and takes exactly N.

    Args:
        computed_steps: how many steps are computed.
        prompts: how many tuning prompts the steps are searched on.
    """

    prompts: int = 2

    def __post_init__(self):
        super().__post_init__()
        if self.prompts < 1:
            raise ValueError(f"`prompts` must be 1 or more, got {self.prompts}.")

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        trajectories, grid = recorded(bench, self.prompts), grid_of(bench)
        check_computed_steps(self.computed_steps, grid, grid.steps)
        calls, found = recording_calls(bench, trajectories), []
        for trajectory in trajectories:
            search = StudentSearch(bench.model, trajectory, grid, bench.max_batch)
            found.append(search.best(self.computed_steps))
            calls += search.calls
        return Learned(held(medians(found), grid).plan(grid), len(trajectories), calls)


def medians(schedules: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Returns the median of each place; of an even number, the mean of the middle two, floored."""
    places = [sorted(place) for place in zip(*schedules, strict=True)]
    half = len(schedules) // 2
    if len(schedules) % 2:
        return tuple(place[half] for place in places)
    return tuple((place[half - 1] + place[half]) // 2 for place in places)


class StudentSearch:
    """Searches the steps of one prompt.

    Args:
        model: the loaded model.
        trajectory: the full run.
        grid: its time grid.
        max_batch: the largest number of states at a time.
        calls: the network calls made so far.
    """

    def __init__(
        self, model: FlowModel, trajectory: RecordedTrajectory, grid: Grid, max_batch: int
    ):
        self.model, self.trajectory, self.max_batch = model, trajectory, max_batch
        self.grid, self.full, self.calls = grid, states(trajectory), 0

    def best(self, computed_steps: int) -> tuple[int, ...]:
        """Returns the computed steps of the state that is kept at the end."""
        kept: dict[int, Tensor] = {0: self.full[0]}
        previous: list[dict[int, int]] = []
        for left in range(computed_steps - 1, -1, -1):
            kept, chosen = self._next(kept, left)
            previous.append(chosen)
        path = [self.grid.steps]
        for chosen in reversed(previous):
            path.append(chosen[path[-1]])
        return tuple(reversed(path[1:]))

    def _next(
        self, kept: dict[int, Tensor], left: int
    ) -> tuple[dict[int, Tensor], dict[int, int]]:
        """Returns the states one computed step later, and the step that each came from.

        Args:
            kept: the states at hand, by their step.
            left: the number of computed steps that remain after this one.
        """
        steps, sigma = self.grid.steps, self.grid.sigma
        edges = [
            (k, end)
            for k, end in gaps(self.grid, steps)
            # the last one leads to the end, the others leave as many steps as are still needed
            if k in kept and (end == steps) == (left == 0) and steps - end >= left
        ]
        velocities = self._velocities({k: kept[k] for k, _ in edges})
        following: dict[int, Tensor] = {}
        chosen: dict[int, int] = {}
        costs: dict[int, float] = {}
        for k, end in edges:
            x = combined(kept[k], [sigma[end] - sigma[k]], [velocities[k]])
            cost = float((x.double() - self.full[end].double()).square().mean())
            if cost < costs.get(end, float("inf")):
                following[end], chosen[end], costs[end] = x, k, cost
        return following, chosen

    @torch.no_grad()
    def _velocities(self, kept: dict[int, Tensor]) -> dict[int, Tensor]:
        """Returns the velocity at each state, ``(1, ...)``."""
        problem, found, steps = self.trajectory.problem, {}, list(kept)
        self.calls += self.model.calls_of(problem, steps)
        for start in range(0, len(steps), self.max_batch):
            part = steps[start : start + self.max_batch]
            x, t = torch.cat([kept[k] for k in part]), problem.grid.model_times[part]
            v = self.model.velocity(x, t, [problem.conditioning] * len(part))
            found |= dict(zip(part, v.split(1), strict=True))
        return found
