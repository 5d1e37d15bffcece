"""DPCache: Taylor predictions, on the path of least cost that looks back over two steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastflow.evaluation import Bench, Learned
from fastflow.integration import Grid
from fastflow.planning import check_computed_steps
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
from fastflow_plugins.methods.published.shortest_path import gaps, piece_start

Triple = tuple[int, int, int]  # previous, current and next computed step (T after the last)
PairLayer = dict[tuple[int, int], tuple[float, int]]  # least cost, the step before


@dataclass(frozen=True, kw_only=True)
class DPCache(Scheduled):
    """Predicts skipped velocities by a Taylor series, on the path of least summed error.

    With step numbers as the time, and from the computed steps i < j, step m is predicted as

        v_j + D d + D2 d^2 / 2,    d = m - j,
        D = (v_j - v_i) / (j - i),    D2 = (D - (v_i - v_{i-1})) / (j - i).

    The cost of (i, j, k), computed in a row, is the sum of the mean absolute errors of these
    predictions from j + 1 to k, on recorded full runs. Dynamic programming over pairs of steps
    finds the schedule of the given number of computed steps with the least total. The run takes
    the same differences over its own computed steps. Reference: DPCache
    (https://arxiv.org/abs/2602.22654).

    Three things differ. The published series predicts the output of the last block, this one the
    velocity. The published cost of the end includes an invented output after the last step, this
    one ends at the last step. The authors' code keeps one predecessor for each step and number of
    steps, which is not always the best; this programme is exact.

    Args:
        computed_steps: how many steps are computed.
        order: the order of the series.
        first: how many of the first steps are all computed.
        longest: the most steps that are skipped in a row.
    """

    order: int = 2
    first: int = 3
    longest: int = 14

    def __post_init__(self):
        super().__post_init__()
        for name in ("order", "first", "longest"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")
        if self.computed_steps <= self.first:
            raise ValueError(
                f"`computed_steps` must be above `first`, which is {self.first}, "
                f"got {self.computed_steps}."
            )

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        trajectories, grid = recorded(bench), grid_of(bench)
        check_computed_steps(self.computed_steps, grid, self.longest)
        costs = path_costs(trajectories, grid, self)
        nodes = least_over_pairs(costs, grid.steps, self.computed_steps)
        plan = taylor_schedule(nodes, grid, self.order).plan(grid)
        return Learned(plan, len(trajectories), recording_calls(bench, trajectories))


def taylor(nodes: Sequence[int], step: int, order: int) -> np.ndarray:
    """Returns the weights of the nodes' velocities in the prediction of a step.

    Args:
        nodes: computed steps, rising; the prediction starts from the last one.
        step: the step to predict.
        order: the order of the series; it is as high as the number of nodes allows.
    """
    differences = list(np.eye(len(nodes)))  # of the order at hand, one for each node with enough
    weights, distance = np.zeros(len(nodes)), step - nodes[-1]
    for power in range(min(order, len(nodes) - 1) + 1):
        weights = weights + differences[-1] * distance**power / math.factorial(power)
        lengths = [b - a for a, b in pairwise(nodes)][power:]
        differences = [(b - a) / n for (a, b), n in zip(pairwise(differences), lengths)]
    return weights


def path_costs(
    trajectories: Sequence[RecordedTrajectory], grid: Grid, method: DPCache
) -> dict[Triple, float]:
    """Returns the cost of every (previous, current, next), with a previous of -1 at step 0."""
    keys, rows = [], []
    for i, j in _pairs(grid, method):
        first = max(i - method.order + 1, piece_start(j, grid))
        history = [*range(first, i + 1), j]
        for m in range(j + 1, min(j + method.longest + 1, grid.steps - 1) + 1):
            row = np.zeros(grid.steps)
            row[history] = taylor(history, m, method.order)
            row[m] -= 1
            keys.append((i, j, m))
            rows.append(row)
    errors = dict(zip(keys, mean_absolute(trajectories, np.array(rows)).tolist(), strict=True))
    costs, following = {}, _landings(grid, method)
    for i, j in _pairs(grid, method):
        for end in following[j]:
            predicted = range(j + 1, min(end, grid.steps - 1) + 1)
            costs[i, j, end] = (
                0.0 if end < method.first else sum(errors[i, j, m] for m in predicted)
            )
    return costs


def _landings(grid: Grid, method: DPCache) -> dict[int, list[int]]:
    """Returns where each step may be followed by the next computed one."""
    found: dict[int, list[int]] = {k: [] for k in range(grid.steps)}
    for k, end in gaps(grid, method.longest):
        if end == k + 1 or k + 1 >= method.first:
            found[k].append(end)
    return found


def _pairs(grid: Grid, method: DPCache) -> list[tuple[int, int]]:
    """Returns every (previous, current) computed step, with a previous of -1 at step 0."""
    landings = _landings(grid, method)
    return [(-1, 0), *((i, j) for i in landings for j in landings[i] if j < grid.steps)]


def least_over_pairs(
    costs: dict[Triple, float], steps: int, computed_steps: int
) -> tuple[int, ...]:
    """Returns the computed steps with the least total cost, by dynamic programming over pairs.

    Args:
        costs: the cost of each (previous, current, next).
        steps: T, which ends a path.
        computed_steps: the number of steps that the path computes.
    """
    layers: list[PairLayer] = [{(-1, 0): (0.0, -1)}]
    for _ in range(computed_steps):
        following: PairLayer = {}
        for (i, j, k), cost in costs.items():
            if (i, j) in layers[-1]:
                total = layers[-1][i, j][0] + cost
                if total < following.get((j, k), (math.inf, -1))[0]:
                    following[j, k] = total, i
        layers.append(following)
    ends = {pair: total for pair, (total, _) in layers[-1].items() if pair[1] == steps}
    pair, path = min(ends, key=lambda pair: ends[pair]), []
    for layer in reversed(layers[1:]):
        path.append(pair[0])
        pair = layer[pair][1], pair[0]
    return tuple(reversed(path))


def taylor_schedule(nodes: Sequence[int], grid: Grid, order: int) -> WeightedNodes:
    """Returns the schedule that predicts skipped velocities by a Taylor series."""
    used, rows = np.zeros((grid.steps, len(nodes))), []
    for i, (node, end) in enumerate(zip(nodes, [*nodes[1:], grid.steps], strict=True)):
        known = [n for n in range(i + 1) if nodes[n] >= piece_start(node, grid)]
        for step in range(node, end):
            used[step, known] = taylor([nodes[n] for n in known], step, order)
        rows.append(tuple(displacements(used, grid)[end, : i + 1].tolist()))
    return WeightedNodes(tuple(nodes), tuple(rows))
