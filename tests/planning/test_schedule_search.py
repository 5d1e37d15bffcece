"""Schedules by dynamic programming: none costs less, and long grids are planned in seconds."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from fastflow.integration import Grid
from fastflow.planning import EARLY, POWER, NodeSearch, Planner
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

    def cost(schedule):
        gaps = [b - a - 1 for a, b in pairwise((*schedule, 9))]
        return planner.search.cost(schedule, 1.5, 3.0) if max(gaps) <= longest else np.inf

    found = 0
    for count in range(2, 10):
        rest = [(0, *nodes) for nodes in combinations(range(1, 9), count - 1)]
        least = min(map(cost, rest))
        if np.isfinite(least):
            found += 1
            assert cost(planner.nodes(count, 1.5, longest, 3.0)) == pytest.approx(least, rel=1e-12)
    assert found > 2


@pytest.mark.parametrize("longest", [2, 4, 9])
@pytest.mark.parametrize("name", GRIDS)
def test_the_costs_to_go_lead_along_the_cheapest_schedule(name, longest):
    grid = GRIDS[name]
    planner, found = Planner(gram_of(9), grid, LINEAR_SCHEME), 0
    onward = planner.search.costs_to_go(9, longest, 1.5, 3.0)
    for count in range(2, 10):
        try:
            wanted = planner.nodes(count, 1.5, longest, 3.0)
        except ValueError:
            continue
        nodes, before = [0], 0
        for left in range(count - 1, -1, -1):
            nodes.append(onward.next(before, nodes[-1], left))
            before = nodes[-1] if nodes[-1] in grid.jumps else nodes[-2]
        assert tuple(nodes) == (*wanted, 9)
        found += 1
    assert found > 2


def test_the_larger_the_error_of_the_next_gap_the_nearer_its_end():
    search = Planner(gram_of(9), GRIDS["plain"], LINEAR_SCHEME).search
    onward = search.costs_to_go(9, 9, 1.5, 3.0)
    for left in range(2, 6):
        ends = [onward.next(0, 1, left, scale) for scale in (0.01, 0.3, 1.0, 3.0, 100.0)]
        assert ends == sorted(ends, reverse=True)
        assert ends[-1] < ends[0]


def test_where_no_schedule_is_left_the_next_step_is_computed():
    search = Planner(gram_of(9), GRIDS["plain"], LINEAR_SCHEME).search
    onward = search.costs_to_go(9, 2, 1.5, 3.0)
    assert onward.next(0, 1, 1) == 2  # one step cannot bridge what is left
    assert onward.next(0, 1, 0) == 9


@pytest.mark.parametrize("name", GRIDS)
def test_neighbours_differ_by_one_free_node_and_the_cheapest_come_first(name):
    grid = GRIDS[name]
    planner, nodes = Planner(gram_of(9), grid, LINEAR_SCHEME), (0, 2, 4, 5, 8)
    near = planner.neighbours(nodes)
    forced = {k for k in nodes if grid.is_forced(k)}
    wanted = {
        (0, *rest)
        for rest in combinations(range(1, 9), 4)
        if len({*rest} & {*nodes}) == 3 and forced <= {0, *rest}
    }
    costs = [planner.search.cost(other, POWER, EARLY) for other in near]
    assert costs == sorted(costs)
    assert len(near) == len(wanted)
    assert set(near) == wanted


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
