"""Plans for a number of computed steps, from the Gram matrix of reference runs alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastflow.integration.episode import Scheme
from fastflow.integration.grid import Grid
from fastflow.planning.fitting import RIDGE, Fit, observed_grid
from fastflow.planning.linear_plan import LinearPlan
from fastflow.planning.optimal_schedule import OptimalSchedule
from fastflow.planning.polynomial import polynomial_plan


@dataclass(frozen=True, eq=False)
class Planner:
    """Makes plans with a number of computed steps from recorded velocities.

    Args:
        gram: ``(T, T)`` mean products of the velocities of reference runs (`MeanGram`).
        grid: their time grid.
        scheme: the extrapolator and the corrector of polynomial plans.
        ridge: the weight of the shrinkage of fitted plans.
    """

    gram: np.ndarray
    grid: Grid
    scheme: Scheme
    ridge: float = RIDGE

    @cached_property
    def pieces(self) -> Grid:
        """The grid with the jumps that the reference runs met."""
        return observed_grid(self.grid, self.gram)

    @cached_property
    def fit(self) -> Fit:
        """Fits weights to the reference runs."""
        return Fit(self.gram, self.pieces, self.ridge)

    def nodes(
        self, computed_steps: int, power: float, longest: int | None = None
    ) -> tuple[int, ...]:
        """Returns the schedule whose gaps cost least in total, by dynamic programming.

        Args:
            computed_steps: the number of computed steps.
            power: the power of a gap's cost that is summed.
            longest: the most steps skipped in a row; three times the mean gap if None.

        Raises:
            ValueError: if no schedule computes that many steps.
        """
        longest = longest or longest_gap(computed_steps, self.grid.steps)
        plain = self.scheme._replace(coefficients=None)
        search = OptimalSchedule(
            np.nan_to_num(self.gram)[None], self.pieces, plain, longest, power=power
        )
        return search.best(computed_steps)[0]

    def fitted(self, nodes: tuple[int, ...]) -> LinearPlan:
        """Returns the plan of these nodes with fitted weights."""
        return self.fit.plan(nodes) or self.polynomial(nodes)

    def polynomial(self, nodes: tuple[int, ...]) -> LinearPlan:
        """Returns the plan of these nodes with the weights of the scheme."""
        return polynomial_plan(nodes, self.pieces, self.scheme._replace(coefficients=None))


def longest_gap(computed_steps: int, steps: int) -> int:
    """Returns the most steps that a plan skips in a row: three times as many as the mean gap."""
    return max(3, 3 * -(-steps // computed_steps))
