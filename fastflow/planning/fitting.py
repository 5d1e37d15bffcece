"""Fitted weights: the linear scheme that is nearest to the reference run on recorded velocities.

With G the Gram matrix of velocities, D the weights of Euler's sum from x_0 to a target, S the
computed steps and p the weights of a polynomial scheme:

    w = p + (G_SS + ridge I)^-1 (G_S: D - G_SS p)          the weights
    r^2 = (D - w)' G (D - w)                               the mean square error of the position
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fastflow.integration.coefficients import Coefficients
from fastflow.integration.grid import Grid
from fastflow.planning.linear_plan import LinearPlan, end_of, start_of

RIDGE = 1e-4  # of the mean square velocity


@dataclass(frozen=True, eq=False)
class Fit:
    """Fits weights to recorded velocities.

    The fit is a ridge regression on their Gram matrix, shrunk towards the piecewise linear scheme
    (linear extrapolation, corrected at landings), so that few recorded runs are enough.

    Args:
        gram: ``(T, T)`` mean products of the velocities of reference runs, in units of their mean
            square (`MeanGram`); NaN between velocities with a jump in between.
        grid: their time grid.
        ridge: the weight of the shrinkage, in units of the mean square velocity.
    """

    gram: np.ndarray
    grid: Grid
    ridge: float = RIDGE

    def weights(self, nodes: Sequence[int], target: int) -> np.ndarray | None:
        """Returns the weights of a position; None if the products of its velocities are missing.

        Args:
            nodes: the computed steps of one piece so far, in increasing order.
            target: the index of the sigma at which to give the position.
        """
        start, known = nodes[0], list(nodes)
        prior = piecewise_linear(nodes, self.grid, start, target)
        if len(known) == target - start:
            return prior  # nothing was skipped: Euler's sum itself
        left = self._euler(start, target)
        left[known] -= prior
        products = self.gram[np.ix_(known, range(start, target))]
        if not np.isfinite(products).all():
            return None
        among = self.gram[np.ix_(known, known)] + self.ridge * np.eye(len(known))
        return prior + np.linalg.solve(among, products @ left[start:target])

    def plan(self, nodes: Sequence[int]) -> LinearPlan | None:
        """Returns the plan of these nodes with fitted weights; None if products are missing."""
        rows = []
        for i, node in enumerate(nodes):
            start = start_of(node, self.grid)
            row = self.weights(
                [k for k in nodes[: i + 1] if k >= start], end_of(nodes, i, self.grid)
            )
            if row is None:
                return None
            rows.append(tuple(row.tolist()))
        return LinearPlan(tuple(nodes), tuple(rows))

    def residuals(self, plan: LinearPlan) -> np.ndarray:
        """Returns the root mean square error of the position at the end of each gap, ``(N,)``.

        In units of the root mean square velocity times sigma, for the recorded velocities.
        """
        errors = []
        for i, row in enumerate(plan.weights):
            start = start_of(plan.nodes[i], self.grid)
            end = end_of(plan.nodes, i, self.grid)
            left = self._euler(start, end)
            left[list(plan.nodes[i + 1 - len(row) : i + 1])] -= row
            part = self.gram[start:end, start:end]
            errors.append(max(left[start:end] @ part @ left[start:end], 0.0))
        return np.sqrt(errors)

    def _euler(self, start: int, target: int) -> np.ndarray:
        """Returns the weights ``(T,)`` of Euler's sum over the steps from start to target."""
        weights = np.zeros(self.grid.steps)
        weights[start:target] = np.diff(self.grid.sigma)[start:target]
        return weights


@dataclass(frozen=True, eq=False)
class FittedCoefficients(Coefficients):
    """Fits weights for whatever steps are computed; each set of steps is solved for once.

    Args:
        fit: the fit.
    """

    fit: Fit
    _known: dict[tuple, list[float] | None] = field(default_factory=dict, repr=False)

    def weights(
        self, computed: Sequence[int], k: int, so_far: Sequence[float]
    ) -> Sequence[float] | None:
        if len(computed) == k + 1 - computed[0]:
            return None  # nothing was skipped: Euler's own step, bit for bit
        key = tuple(computed), k
        if key not in self._known:
            found = self.fit.weights(computed, k + 1)
            self._known[key] = None if found is None else found.tolist()
        return self._known[key]


def piecewise_linear(nodes: Sequence[int], grid: Grid, start: int, target: int) -> np.ndarray:
    """Returns the weights of a position if velocities are piecewise linear in sigma.

    The line through the last two nodes is continued to the target.

    Args:
        nodes: the computed steps of one piece, in increasing order.
        grid: the time grid.
        start: the first step of the piece.
        target: the index of the sigma of the position.
    """
    weights = np.zeros(len(nodes))
    if len(nodes) == 1:
        weights[0] = grid.sigma[target] - grid.sigma[start]
        return weights
    sigma, steps = np.asarray(grid.sigma), np.arange(start, target)
    right = np.clip(np.searchsorted(nodes, steps, "right"), 1, len(nodes) - 1)
    at = sigma[list(nodes)]
    share = (sigma[steps] - at[right - 1]) / (at[right] - at[right - 1])
    dsigma = sigma[steps + 1] - sigma[steps]
    np.add.at(weights, right, dsigma * share)
    np.add.at(weights, right - 1, dsigma * (1 - share))
    return weights


def observed_grid(grid: Grid, gram: np.ndarray) -> Grid:
    """Returns the grid with the jumps that the reference runs met, which a Gram matrix shows.

    Where products of neighbouring velocities are missing, the velocity jumped (guidance began or
    ended there, which no grid states).
    """
    found = [k for k in range(1, grid.steps) if np.isnan(gram[k, k - 1])]
    return replace(grid, jumps=grid.jumps | frozenset(found)) if found else grid
