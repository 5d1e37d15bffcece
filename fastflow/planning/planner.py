"""Plans for a number of computed steps, from the Gram matrix of reference runs alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np

from fastflow.integration.episode import Scheme
from fastflow.integration.grid import Grid
from fastflow.planning.fitting import RIDGE, Fit, observed_grid
from fastflow.planning.linear_plan import LinearPlan, end_of, start_of
from fastflow.planning.node_search import NodeSearch
from fastflow.planning.optimal_schedule import check_computed_steps, gap_error
from fastflow.planning.polynomial import polynomial_plan
from fastflow.planning.schedule_search import ScheduleSearch

POWER = 1.5  # of a gap's cost, between a sum of errors and a sum of squares
EARLY = 3.0  # times as much does an error count at the noise end as late
COSTS = ((1.0, 1.0), (1.0, 3.0), (1.0, 10.0), (1.5, 1.0), (2.0, 3.0), (2.0, 10.0), (8.0, 1.0))
BETAS = (1.0, 4.0)


@dataclass(frozen=True, eq=False)
class Planner:
    """Makes plans with a number of computed steps from recorded velocities.

    Args:
        gram: ``(T, T)`` mean products of the velocities of reference runs (`MeanGram`).
        grid: their time grid.
        scheme: the extrapolator and the corrector of polynomial plans.
        ridge: the weight of the shrinkage of fitted plans.
        orders: schemes of different order, from which a mixed plan takes one for each gap; if
            there are none, there is no such plan.
    """

    gram: np.ndarray
    grid: Grid
    scheme: Scheme
    ridge: float = RIDGE
    orders: Sequence[Scheme] = ()

    @cached_property
    def pieces(self) -> Grid:
        """The grid with the jumps that the reference runs met."""
        return observed_grid(self.grid, self.gram)

    @cached_property
    def fit(self) -> Fit:
        """Fits weights to the reference runs."""
        return Fit(self.gram, self.pieces, self.ridge)

    def nodes(
        self, computed_steps: int, power: float, longest: int | None = None, early: float = 1.0
    ) -> tuple[int, ...]:
        """Returns the schedule whose gaps cost least in total, by dynamic programming.

        Args:
            computed_steps: the number of computed steps.
            power: the power of a gap's cost that is summed.
            longest: the most steps skipped in a row; three times the mean gap if None.
            early: how many times as much an error counts at the noise end as late.

        Raises:
            ValueError: if no schedule computes that many steps.
        """
        check_computed_steps(computed_steps, self.pieces, longest or self.grid.steps)
        longest = longest or longest_gap(computed_steps, self.pieces)
        return self.search.best(computed_steps, longest, power, early)

    @cached_property
    def search(self) -> ScheduleSearch:
        """Finds schedules under linear extrapolation."""
        return ScheduleSearch(np.nan_to_num(self.gram), self.pieces)

    def fitted(self, nodes: tuple[int, ...]) -> LinearPlan:
        """Returns the plan of these nodes with fitted weights."""
        return self.fit.plan(nodes) or self.polynomial(nodes)

    def polynomial(self, nodes: tuple[int, ...]) -> LinearPlan:
        """Returns the plan of these nodes with the weights of the scheme."""
        return polynomial_plan(nodes, self.pieces, self._plain)

    @property
    def _plain(self) -> Scheme:
        return self.scheme._replace(coefficients=None)

    def candidates(self, computed_steps: int) -> dict[str, LinearPlan]:
        """Returns different plans with as many computed steps, by name; the first is `default`.

        Their nodes come from dynamic programming under several powers of the gaps' costs (a high
        one nearly minimises the largest) and weights of early errors, from the residual of the
        fitted scheme under several weights of its feedback, and from even spacing. Each has fitted
        weights, polynomial ones, or for each gap those of the order that costs it least.
        """
        schedules = {"default": self.nodes(computed_steps, POWER, None, EARLY)}
        for power, early in COSTS:
            name = f"power {power:g}, early {early:g}"
            schedules[name] = self.nodes(computed_steps, power, None, early)
        first = schedules["default"]
        for beta in BETAS:
            search = NodeSearch(self.gram, self.pieces, self.ridge, beta)
            schedules[f"residual {beta:g}"] = search.improve(first)
        schedules["uniform"] = self._even(computed_steps)
        found: dict[str, LinearPlan] = {}
        for name, plan in self._weighted(schedules):
            if plan not in found.values():
                found[name] = plan
        return found

    def weighted(self, nodes: tuple[int, ...], weights: str) -> LinearPlan:
        """Returns the plan of these nodes with weights of one kind.

        Args:
            nodes: the computed steps.
            weights: ``fitted``, ``polynomial``, or ``order by gap``, for each gap those of the
                order that costs it least.
        """
        made = {"fitted": self.fitted, "polynomial": self.polynomial, "order by gap": self._mixed}
        return made[weights](nodes)

    def neighbours(self, nodes: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Returns all schedules that differ by one moved node, the cheapest first.

        Their predicted costs are those of the default power and weight of early errors.

        Args:
            nodes: the computed steps of a schedule.
        """
        free = [k for k in range(1, self.grid.steps) if k not in nodes]
        moved = [
            tuple(sorted({*nodes, j} - {k}))
            for k in nodes
            if k and not self.pieces.is_forced(k)
            for j in free
        ]
        costs = {other: self.search.cost(other, POWER, EARLY) for other in moved}
        return sorted((other for other in costs if isfinite(costs[other])), key=costs.__getitem__)

    def _weighted(self, schedules: dict[str, tuple[int, ...]]) -> Iterator[tuple[str, LinearPlan]]:
        for weights in ("fitted", "polynomial"):
            for name, nodes in schedules.items():
                yield f"{name}, {weights}", self.weighted(nodes, weights)
        for name in ("default", "power 1, early 1") if self.orders else ():
            yield f"{name}, order by gap", self._mixed(schedules[name])

    def _even(self, computed_steps: int) -> tuple[int, ...]:
        """Returns evenly spread nodes, with those that the grid forces."""
        last = self.grid.steps - 1
        forced = {k for k in range(self.grid.steps) if self.pieces.is_forced(k)}
        even = forced
        for count in range(2, computed_steps + 1):
            even = {round(i * last / (count - 1)) for i in range(count)} | forced
            if len(even) >= computed_steps:
                break
        spare = sorted(even - forced)[:: 2 if len(even) > computed_steps else 1]
        while len(even) > computed_steps and spare:
            even.discard(spare.pop())
        return tuple(sorted(even))

    def _mixed(self, nodes: tuple[int, ...]) -> LinearPlan:
        """Returns the plan whose gaps each have the order of extrapolation that costs least."""
        chosen = []
        for i, node in enumerate(nodes):
            start, end = start_of(node, self.pieces), end_of(nodes, i, self.pieces)
            state = tuple(k for k in reversed(nodes[: i + 1]) if k >= start)
            costs = []
            for scheme in self.orders:
                w = gap_error(self.pieces, scheme, state, end)
                costs.append(w @ np.nan_to_num(self.gram) @ w)
            chosen.append(self.orders[int(np.argmin(costs))])
        return polynomial_plan(nodes, self.pieces, chosen)


def longest_gap(computed_steps: int, grid: Grid) -> int:
    """Returns the most steps that a plan skips in a row: three times as many as the mean gap.

    More where the grid forces so many steps that the others are far apart.
    """
    forced = sum(grid.is_forced(k) for k in range(grid.steps))
    free = max(computed_steps - forced, 1)
    return max(3, 3 * -(-grid.steps // min(computed_steps, free + 2)))
