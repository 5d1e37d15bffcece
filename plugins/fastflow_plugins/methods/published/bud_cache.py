"""BudCache: annealing, then hill climbing, on the final error of live runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fastflow.evaluation import Bench, Learned
from fastflow.integration import Grid
from fastflow.sampling import RecordedTrajectory, Request
from fastflow_plugins.methods.published.linear_schedule import (
    Run,
    Scheduled,
    calls_of,
    grid_of,
    held,
    recorded,
    recording_calls,
    run_all,
    states,
)

Nodes = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class BudCache(Scheduled):
    """Reuses the last velocity in gaps, on a schedule found by running schedules live.

    A schedule's loss is the mean square difference of its final latents from the full run's, on
    one prompt. The first ``max(1, N / 4)`` of N computed steps stay at the start. From a random
    schedule, annealing moves one computed step (in a tenth of the tries, two), in most cases by
    at most three steps, and accepts a worse loss with probability ``exp(-rise / temperature)``;
    the temperature falls geometrically. Hill climbing then takes the best of all moves by at most
    three steps and two random ones for each step, until none is better. Reference: BudCache
    (https://arxiv.org/abs/2606.13496) and its code
    (https://github.com/Westlake-AGI-Lab/BudCache), whose cache holds the residual of the blocks
    where this one holds the velocity. Its realignment of the time grid is left out. Hill
    climbing starts from the best schedule that annealing has seen.

    Args:
        computed_steps: how many steps are computed.
        annealing: how many schedules annealing tries.
        climbing: the most rounds of hill climbing.
        hot: the first temperature, in units of the loss.
        cold: the last temperature.
        seed: seeds the search.
    """

    annealing: int = 200
    climbing: int = 20
    hot: float = 0.05
    cold: float = 1e-5
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name in ("annealing", "climbing"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be 0 or more, got {getattr(self, name)}.")
        if not self.hot >= self.cold > 0:
            raise ValueError(
                f"`cold` must be above 0 and at most `hot`, which is {self.hot}, got {self.cold}."
            )

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        trajectories = recorded(bench, 1)
        live = LiveLoss(bench, trajectories[0])
        moves = Moves(grid_of(bench), self.computed_steps, self.seed)
        nodes = climb(anneal(moves, live, self), moves, live, self.climbing)
        calls = live.calls + recording_calls(bench, trajectories)
        plan = held(nodes, moves.grid).plan(moves.grid)
        return Learned(plan, 1, calls, {"loss": live.of([nodes])[0]})


@dataclass
class LiveLoss:
    """Runs schedules and keeps their losses.

    Args:
        bench: the model, and how many runs it takes at a time.
        trajectory: the full run to compare with.
        calls: the network calls made so far.
        known: the losses found so far.
    """

    bench: Bench
    trajectory: RecordedTrajectory
    calls: int = 0
    known: dict[Nodes, float] = field(default_factory=dict)

    def of(self, schedules: Sequence[Nodes]) -> list[float]:
        """Returns the mean square difference of each schedule's final latents."""
        new = [nodes for nodes in dict.fromkeys(schedules) if nodes not in self.known]
        problem, model = self.trajectory.problem, self.bench.model
        runs = [Run(problem, held(nodes, problem.grid), problem.x) for nodes in new]
        self.calls += calls_of(model, runs)
        end = states(self.trajectory)[-1].double()
        for nodes, x in zip(new, run_all(model, runs, self.bench.max_batch), strict=True):
            self.known[nodes] = float((x.double() - end).square().mean())
        return [self.known[nodes] for nodes in schedules]


class Moves:
    """Draws schedules and their neighbours; what the grid forces and the first steps stay.

    Args:
        grid: the time grid.
        computed_steps: N, the number of computed steps.
        seed: seeds the draws.
        reach: the farthest that a step moves in a near move.
        jumps: how many far moves of each step are among the neighbours.

    Raises:
        ValueError: if the steps that have to be computed are more than N.
    """

    def __init__(self, grid: Grid, computed_steps: int, seed: int, reach: int = 3, jumps: int = 2):
        self.grid, self.count, self.reach, self.jumps = grid, computed_steps, reach, jumps
        self.random = np.random.default_rng(seed)
        first = range(max(1, computed_steps // 4))
        self.fixed = {*first, *(k for k in range(grid.steps) if grid.is_forced(k))}
        if not len(self.fixed) <= computed_steps <= grid.steps:
            raise ValueError(
                f"`computed_steps` must be from {len(self.fixed)} to {grid.steps} here, "
                f"got {computed_steps}."
            )

    def start(self) -> Nodes:
        """Returns a random schedule."""
        free = self._free(self.fixed)
        more = self.random.choice(free, self.count - len(self.fixed), replace=False)
        return tuple(sorted({*self.fixed, *more.tolist()}))

    def candidate(self, nodes: Nodes) -> Nodes:
        """Returns a schedule in which one computed step has moved, or two."""
        movable, free = [k for k in nodes if k not in self.fixed], self._free(nodes)
        if not movable or not free:
            return nodes
        if self.random.random() >= 0.9 and min(len(movable), len(free)) > 1:
            leaving = self.random.choice(movable, 2, replace=False).tolist()
            coming = self.random.choice(free, 2, replace=False).tolist()
            return tuple(sorted({*nodes} - {*leaving} | {*coming}))
        leaving = int(self.random.choice(movable))
        near = [k for k in free if abs(k - leaving) <= self.reach]
        is_near = self.random.random() < 0.7
        return _moved(nodes, leaving, int(self.random.choice(near if near and is_near else free)))

    def neighbours(self, nodes: Nodes) -> list[Nodes]:
        """Returns all near moves of single steps, and some far ones."""
        free, found = self._free(nodes), []
        for leaving in (k for k in nodes if k not in self.fixed):
            near = [k for k in free if abs(k - leaving) <= self.reach]
            far = self.random.choice(free, min(self.jumps, len(free)), replace=False).tolist()
            found += [_moved(nodes, leaving, coming) for coming in (*near, *far)]
        return list(dict.fromkeys(found))

    def _free(self, nodes: Iterable[int]) -> list[int]:
        taken = set(nodes)
        return [k for k in range(self.grid.steps) if k not in taken]


def _moved(nodes: Nodes, leaving: int, coming: int) -> Nodes:
    return tuple(sorted({*nodes} - {leaving} | {coming}))


def anneal(moves: Moves, live: LiveLoss, method: BudCache) -> Nodes:
    """Returns the best schedule that annealing has seen."""
    nodes = best = moves.start()
    (loss,) = live.of([nodes])
    for number in range(method.annealing):
        progress = number / method.annealing
        temperature = method.hot * (method.cold / method.hot) ** progress
        other = moves.candidate(nodes)
        (value,) = live.of([other])
        if value < loss or moves.random.random() < math.exp((loss - value) / temperature):
            nodes, loss = other, value
        best = min(best, nodes, key=lambda found: live.known[found])
    return best


def climb(nodes: Nodes, moves: Moves, live: LiveLoss, rounds: int) -> Nodes:
    """Returns the schedule that the steepest descent from another one reaches."""
    for _ in range(rounds):
        others = moves.neighbours(nodes)
        live.of(others)
        best = min([nodes, *others], key=lambda found: live.known[found])
        if best == nodes:
            break
        nodes = best
    return nodes
