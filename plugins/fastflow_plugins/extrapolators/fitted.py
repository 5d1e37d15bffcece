"""Weights fitted to reference runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastflow.integration import Coefficients, Grid
from fastflow.planning import RIDGE, Fit, FittedCoefficients, observed_grid
from fastflow_plugins.extrapolators.polynomial import Linear


@dataclass(frozen=True)
class Fitted(Linear):
    """Chooses the weights that came nearest to the reference runs seen; linear before the first.

    The position after every step is ``x_0 + sum_l w_l v_l``, with weights by ridge regression on
    the mean products of the velocities of reference runs, for whatever steps are computed
    (`fastflow.planning.Fit`). The landing correction is part of them. The first samples are
    reference runs, under every policy.

    Args:
        ridge: the weight of the shrinkage towards linear extrapolation with correction at
            landings, in units of the mean square velocity.
        warmup_samples: how many of the first samples skip nothing, to be fitted to.
    """

    ridge: float = RIDGE
    warmup_samples: int = 1

    def __post_init__(self):
        if not self.ridge > 0:
            raise ValueError(f"`ridge` must be above 0, got {self.ridge}.")
        if self.warmup_samples < 1:
            raise ValueError(f"`warmup_samples` must be 1 or more, got {self.warmup_samples}.")

    @property
    def reference_runs(self) -> int:
        return self.warmup_samples

    def coefficients(self, gram: np.ndarray, grid: Grid) -> Coefficients:
        return FittedCoefficients(Fit(gram, observed_grid(grid, gram), self.ridge))
