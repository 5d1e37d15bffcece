"""Schedules by dynamic programming: none costs less, and long grids are planned in seconds."""

from itertools import combinations

import numpy as np
import pytest

from fastflow.integration import Grid
from fastflow.planning import NodeSearch, Planner
from fastflow.testing import uneven
from fastflow_plugins.policies.plans.plan import LINEAR_SCHEME

GRIDS = {
    "plain": uneven(9),
    "jump": uneven(9, jumps=frozenset({5})),
    "open": uneven(9, compute_last=False),
}


def gram_of(steps):
    """Returns the products of velocities that wander."""
    velocities = np.cumsum(np.random.default_rng(0).normal(size=(steps, 4)), axis=0)
    gram = velocities @ velocities.T
    return gram / np.diag(gram).mean()


@pytest.mark.parametrize("longest", [2, 4, 9])
@pytest.mark.parametrize("name", GRIDS)
def test_no_schedule_within_the_longest_skip_costs_less(name, longest):
    grid = GRIDS[name]
    planner = Planner(gram_of(9), grid, LINEAR_SCHEME)
    costs = planner.search._costs(longest, 1.5, 3.0)

    def cost(schedule):
        total, p = 0.0, 0
        for k, j in zip(schedule, (*schedule[1:], 9), strict=True):
            p = k if k in grid.jumps else p
            total, p = total + costs[p, k, j], k
        return total

    found = 0
    for count in range(2, 10):
        rest = [(0, *nodes) for nodes in combinations(range(1, 9), count - 1)]
        least = min(map(cost, rest))
        if np.isfinite(least):
            found += 1
            assert cost(planner.nodes(count, 1.5, longest, 3.0)) == pytest.approx(least, rel=1e-12)
    assert found > 2


def test_a_grid_of_250_steps_is_planned_in_seconds():
    grid = Grid.even(250)
    nodes = Planner(gram_of(250), grid, LINEAR_SCHEME).nodes(125, 1.5)
    assert (len(nodes), nodes[0], nodes[-1]) == (125, 0, 249)


@pytest.mark.parametrize("marked", [{0}, {0, 5}, {9}])
def test_a_jump_at_either_end_changes_no_plan(marked):
    plans = [
        NodeSearch(gram_of(9), uneven(9, jumps=frozenset(jumps)), 1e-4).improve((0, 2, 4, 5, 8))
        for jumps in (marked, marked - {0, 9})
    ]
    assert plans[0] == plans[1]
