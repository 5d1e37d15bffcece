"""The searches for a path, against trying every path."""

from itertools import combinations

import numpy as np
import pytest
import torch

from fastflow.integration.grid import Grid
from fastflow_plugins.methods.published.shortest_path import gaps, least_sum, least_worst

GRID = Grid(torch.linspace(1, 0, 10) ** 1.5)
JUMPING = Grid(torch.linspace(1, 0, 10), jumps=frozenset({4}), compute_last=False)


def paths(grid, count, allowed):
    """Yields every schedule of that many computed steps whose gaps are allowed."""
    for rest in combinations(range(1, grid.steps), count - 1):
        nodes = (0, *rest)
        taken = list(zip(nodes, [*rest, grid.steps], strict=True))
        if all(gap in allowed for gap in taken):
            yield nodes, taken


def random_costs(grid, longest, seed):
    random = np.random.default_rng(seed)
    return {gap: float(random.integers(0, 6)) for gap in gaps(grid, longest)}


@pytest.mark.parametrize("grid", [GRID, JUMPING])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [5, 6, 9])
def test_the_least_sum_is_that_of_the_best_of_all_paths(grid, seed, count):
    costs = random_costs(grid, 3, seed)
    best = min(sum(costs[g] for g in taken) for _, taken in paths(grid, count, costs))
    nodes = least_sum(costs, grid, count)
    assert sum(costs[g] for g in zip(nodes, [*nodes[1:], 9], strict=True)) == best
    assert len(nodes) == count


@pytest.mark.parametrize("grid", [GRID, JUMPING])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [5, 6, 9])
def test_the_least_worst_is_first_of_all_paths_sorted_by_their_worst_costs(grid, seed, count):
    costs = random_costs(grid, 3, seed)

    def worst_first(taken):
        return sorted((costs[g] for g in taken), reverse=True)

    best = min(worst_first(taken) for _, taken in paths(grid, count, costs))
    nodes = least_worst(costs, grid, count)
    assert worst_first(zip(nodes, [*nodes[1:], 9], strict=True)) == best


def test_gaps_land_on_forced_steps_and_are_at_most_the_longest():
    found = list(gaps(JUMPING, 2))
    assert {(0, 3), (3, 4)} <= {*found}
    assert not {(0, 4), (3, 5)} & {*found}
    assert (6, 9) in found  # the last step is not forced
    assert (6, 9) not in gaps(GRID, 2)


def test_a_number_of_steps_that_no_path_has_is_refused():
    with pytest.raises(ValueError, match="`computed_steps` must be from 3 to 9"):
        least_sum(random_costs(GRID, 3, 0), GRID, 2)
