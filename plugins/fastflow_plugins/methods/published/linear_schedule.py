"""Schedules with weights: the state at the next node is x_0 plus weighted computed velocities."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastflow.evaluation import Bench, Knob, Learned, Method
from fastflow.integration import Episode, Grid, MeanGram, NoCorrection, Reuse, StepContext
from fastflow.planning import LinearPlan, PlannedCoefficients, observed_grid
from fastflow.policies import Memory, Policy
from fastflow.sampling import FlowModel, Problem, RecordedTrajectory, Request, Sample, Sampler
from fastflow_plugins.methods.published.shortest_path import piece_start
from fastflow_plugins.methods.skipping import Skipping
from fastflow_plugins.policies import Uniform


@dataclass(frozen=True)
class WeightedNodes:
    """Holds the computed steps of a run, and the weights of their velocities.

    Args:
        nodes: the computed steps, rising; the first one is where the run starts.
        weights: row i holds the weights of the velocities at ``nodes[:i + 1]``: with them, the
            state at ``nodes[i + 1]`` (at the end of the grid, for the last row) is the state at
            the start plus the weighted sum of the velocities.
    """

    nodes: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]

    def plan(self, grid: Grid) -> LinearPlan:
        """Returns the plan of a whole run, whose rows start anew at each jump of the grid."""
        rows: list[tuple[float, ...]] = []
        for node, row in zip(self.nodes, self.weights, strict=True):
            first = sum(n < piece_start(node, grid) for n in self.nodes)
            before = self.weights[first - 1] if first else ()
            rest = [w - b for w, b in zip(row, (*before, *([0.0] * len(row))))]
            rows.append(tuple(rest[first:]))
        return LinearPlan(self.nodes, tuple(rows))


@dataclass(frozen=True, kw_only=True)
class Prescription(Policy):
    """Follows a plan that was made before the run.

    Args:
        plan: the computed steps and their weights.
        grid: the grid for which it was made.
    """

    plan: LinearPlan
    grid: Grid

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return Prescribing(self)


class Prescribing(Episode):
    """Computes the plan's steps, with the plan's weights."""

    def __init__(self, policy: Prescription):
        super().__init__()
        self.steps = frozenset(policy.plan.nodes)
        self.coefficients = PlannedCoefficients(policy.plan, policy.grid)

    def wants_model(self, context: StepContext) -> bool:
        return context.index in self.steps


@dataclass(frozen=True, kw_only=True)
class Scheduled(Method):
    """Computes the steps of one schedule, which was planned before the run.

    Steps that the grid forces are computed too, as with every policy; they count.

    Args:
        computed_steps: how many steps are computed.
    """

    replays = True

    computed_steps: int = 19

    def __post_init__(self):
        if self.computed_steps < 2:
            raise ValueError(f"`computed_steps` must be 2 or more, got {self.computed_steps}.")

    @property
    def knob(self) -> Knob:
        return Knob("computed_steps", is_computed_steps=True)

    @abstractmethod
    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        """Returns the `LinearPlan`, and the network calls that finding it took."""

    def fallback(self) -> Method:
        """Returns even spacing with the same number of computed steps."""
        return Skipping(policy=Uniform(computed_steps=self.computed_steps))

    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        policy = Prescription(plan=learned.what, grid=grid_of(bench))
        parts = policy, Reuse(), NoCorrection()
        yield from Sampler(bench.model, *parts, max_batch=bench.max_batch).generate(requests)


def grid_of(bench: Bench) -> Grid:
    """Returns the model's time grid, with the jumps that its tuning runs met."""
    return observed_grid(bench.model.grid(bench.steps), gram_of_tuning(bench))


def gram_of_tuning(bench: Bench) -> np.ndarray:
    """Returns ``(T, T)`` mean products of the tuning runs' velocities, each run in its units."""
    mean = MeanGram()
    for gram in bench.tuning.grams:
        mean.add(gram)
    if mean.matrix is None:
        raise ValueError("the tuning runs have no velocities to learn from: all are zero.")
    return mean.matrix


def displacements(velocities: np.ndarray, grid: Grid) -> np.ndarray:
    """Returns Euler's displacements ``(T + 1, M)`` of velocities ``(T, M)``, one for each step."""
    dsigma = np.diff(np.array(grid.sigma))
    sums = np.cumsum(dsigma[:, None] * velocities, axis=0)
    return np.concatenate([np.zeros((1, velocities.shape[1])), sums])


def held(nodes: Sequence[int], grid: Grid) -> WeightedNodes:
    """Returns the schedule that reuses each computed velocity until the next one."""
    sigma, ends = grid.sigma, [*nodes[1:], grid.steps]
    gaps = [sigma[end] - sigma[node] for node, end in zip(nodes, ends, strict=True)]
    return WeightedNodes(tuple(nodes), tuple(tuple(gaps[: i + 1]) for i in range(len(nodes))))


class Run(NamedTuple):
    """One run to make: a problem, the schedule, and the state ``(1, ...)`` where it starts."""

    problem: Problem
    schedule: WeightedNodes
    x: Tensor


@dataclass(eq=False)
class _Underway:
    """Holds an unfinished run with the velocities that it has computed."""

    number: int
    run: Run
    x: Tensor
    velocities: list[Tensor] = field(default_factory=list)

    @property
    def step(self) -> int:
        return self.run.schedule.nodes[len(self.velocities)]

    def take(self, v: Tensor) -> bool:
        """Takes the velocity at the current node; returns whether the run has ended."""
        self.velocities.append(v)
        weights = self.run.schedule.weights[len(self.velocities) - 1]
        self.x = combined(self.run.x, weights, self.velocities)
        return len(self.velocities) == len(self.run.schedule.nodes)


def combined(x: Tensor, weights: Sequence[float], velocities: Sequence[Tensor]) -> Tensor:
    """Returns x plus the weighted sum of velocities, computed in float32 at least."""
    total = x.to(torch.promote_types(x.dtype, torch.float32))
    for weight, v in zip(weights, velocities, strict=True):
        total = total + weight * v.to(total.dtype)
    return total.to(x.dtype)


@torch.no_grad()
def run_all(model: FlowModel, runs: Sequence[Run], max_batch: int) -> list[Tensor]:
    """Makes runs side by side and returns their final states ``(1, ...)``, in the same order.

    Args:
        model: the loaded model.
        runs: the runs; their latents must have one shape.
        max_batch: the largest number of runs at a time.
    """
    waiting, active = deque(enumerate(runs)), []
    ends: list[Tensor] = [run.x for run in runs]
    while waiting or active:
        while waiting and len(active) < max_batch:
            number, run = waiting.popleft()
            active.append(_Underway(number, run, run.x))
        v = model.velocity(
            torch.cat([one.x for one in active]),
            torch.cat([one.run.problem.grid.model_times[one.step][None] for one in active]),
            [one.run.problem.conditioning for one in active],
        )
        before, active = active, []
        for one, row in zip(before, v.split(1), strict=True):
            if one.take(row.clone()):  # a row of a batch is a view that keeps the batch alive
                ends[one.number] = one.x
            else:
                active.append(one)
    return ends


def calls_of(model: FlowModel, runs: Sequence[Run]) -> int:
    """Returns the network calls that runs take."""
    return sum(model.calls_of(run.problem, run.schedule.nodes) for run in runs)


def states(trajectory: RecordedTrajectory) -> list[Tensor]:
    """Returns the T + 1 states ``(1, ...)`` of a recorded full run, from noise to data."""
    grid, x = trajectory.problem.grid, trajectory.problem.x
    found = [x]
    for k, v in enumerate(trajectory.velocities):
        found.append(combined(found[-1], [grid.sigma[k + 1] - grid.sigma[k]], [v]))
    return found


def mean_absolute(
    trajectories: Sequence[RecordedTrajectory], weights: np.ndarray, rows: int = 1024
) -> np.ndarray:
    """Returns ``(R,)`` mean absolute values of weighted sums of recorded velocities.

    Args:
        trajectories: the recorded full runs, over which the mean is taken as well.
        weights: ``(R, T)`` the weights of the velocities of each sum.
        rows: how many sums are formed at a time.
    """
    total = np.zeros(len(weights))
    for trajectory in trajectories:
        v = torch.cat([v.flatten()[None] for v in trajectory.velocities]).float()
        for start in range(0, len(weights), rows):
            part = torch.as_tensor(weights[start : start + rows], dtype=v.dtype, device=v.device)
            total[start : start + rows] += (part @ v).abs().mean(dim=1).double().cpu().numpy()
    return total / len(trajectories)


def recorded(bench: Bench, count: int | None = None) -> list[RecordedTrajectory]:
    """Returns the first recorded full runs of the tuning prompts, or all of them."""
    chosen = bench.tuning.requests[:count]
    return [bench.tuning.trajectories[request.index] for request in chosen]


def recording_calls(bench: Bench, trajectories: Sequence[RecordedTrajectory]) -> int:
    """Returns the network calls that recording full runs took."""
    steps = range(bench.steps)
    return sum(bench.model.calls_of(one.problem, steps) for one in trajectories)
