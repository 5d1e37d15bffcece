"""The best path of a given number of computed steps through a graph of gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from fastflow.integration import Grid
from fastflow.planning import check_computed_steps

PathTotal = TypeVar("PathTotal")
Gap = tuple[int, int]  # a computed step, and the next one or T
Descending = tuple[float, ...]  # the costs of a path, the largest first


def gaps(grid: Grid, longest: int) -> Iterator[Gap]:
    """Yields every gap (computed step, next computed step or T) that the grid allows.

    Args:
        grid: the time grid.
        longest: the most steps that are skipped in a row.
    """
    for k in range(grid.steps):
        furthest = k + 1 + min(longest, grid.longest_skip[k])
        yield from ((k, end) for end in range(k + 1, furthest + 1))


def piece_start(step: int, grid: Grid) -> int:
    """Returns the first step of a step's piece: nothing is predicted from before a jump."""
    return max((jump for jump in grid.jumps if jump <= step), default=0)


def best_path(
    costs: dict[Gap, float],
    grid: Grid,
    computed_steps: int,
    start: PathTotal,
    add: Callable[[PathTotal, float], PathTotal],
) -> tuple[int, ...]:
    """Returns the computed steps of the path with the smallest total, by dynamic programming.

    Args:
        costs: the cost of every gap that may be taken.
        grid: the time grid.
        computed_steps: the number of steps that the path computes, the first one included.
        start: the total of a path without gaps.
        add: adds a gap's cost to a total; it must keep the order of totals.

    Raises:
        ValueError: if no path computes that many steps.
    """
    check_computed_steps(computed_steps, grid, max(end - k - 1 for k, end in costs))
    layers: list[dict[int, tuple[PathTotal, int]]] = [{0: (start, -1)}]
    for _ in range(computed_steps):
        following: dict[int, tuple[PathTotal, int]] = {}
        for (k, end), cost in costs.items():
            if k in layers[-1]:
                total = add(layers[-1][k][0], cost)
                if end not in following or total < following[end][0]:  # type: ignore[operator]
                    following[end] = total, k
        layers.append(following)
    path = [grid.steps]
    for layer in reversed(layers[1:]):
        path.append(layer[path[-1]][1])
    return tuple(reversed(path[1:]))


def least_sum(costs: dict[Gap, float], grid: Grid, computed_steps: int) -> tuple[int, ...]:
    """Returns the path whose costs have the least sum; arguments as in `best_path`."""
    return best_path(costs, grid, computed_steps, 0.0, lambda total, cost: total + cost)


def least_worst(costs: dict[Gap, float], grid: Grid, computed_steps: int) -> tuple[int, ...]:
    """Returns the path whose largest cost is least, then its second largest, and so on.

    One more cost, merged into two sorted lists, keeps their lexicographic order, so dynamic
    programming is exact. Arguments as in `best_path`.
    """

    def merge(total: Descending, cost: float) -> Descending:
        at = int(np.searchsorted([-value for value in total], -cost))
        return (*total[:at], cost, *total[at:])

    none: Descending = ()
    return best_path(costs, grid, computed_steps, none, merge)
