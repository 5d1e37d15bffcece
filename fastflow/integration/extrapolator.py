"""Extrapolators: scalar weights that predict a velocity from the computed ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fastflow.integration.coefficients import Coefficients
from fastflow.integration.grid import Grid


@dataclass(frozen=True)
class Extrapolator(ABC):
    """Predicts the velocity of a skipped step as a weighted sum of computed velocities."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """The largest number of computed velocities that it uses."""

    @property
    def degree(self) -> int:
        """The degree of the polynomials in sigma that it continues exactly from full depth.

        With n < depth velocities the degree is at most n - 1. 0 means that the weights sum to 1,
        and -1 that not even this holds.
        """
        return self.depth - 1

    @abstractmethod
    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        """Returns the coefficients of the predicted velocity, one per entry of ``times``.

        Args:
            times: sigmas of the computed velocities, newest first; 1 to ``depth`` of them.
            t: the sigma at which to predict the velocity; 1 is noise, 0 is data.
        """

    @property
    def reference_runs(self) -> int:
        """How many reference runs it has to see before it is complete; 0 if it learns nothing."""
        return 0

    def coefficients(self, gram: np.ndarray, grid: Grid) -> Coefficients | None:
        """Returns weights fitted to reference runs, which replace `weights` and the corrector.

        Args:
            gram: ``(T, T)`` mean products of their velocities (`MeanGram`).
            grid: their time grid.
        """
        return None


@dataclass(frozen=True)
class Reuse(Extrapolator):
    """Reuses the last computed velocity: order zero."""

    @property
    def depth(self) -> int:
        return 1

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        return (1.0,)


def lagrange(times: Sequence[float], t: float) -> tuple[float, ...]:
    """Returns the Lagrange weights at ``t`` of the polynomial through values at ``times``."""
    weights = []
    for i, a in enumerate(times):
        w = 1.0
        for j, b in enumerate(times):
            if i != j:
                w *= (t - b) / (a - b)
        weights.append(w)
    return tuple(weights)


def widen(x: Tensor) -> Tensor:
    """Returns x in float32 if its precision is lower than that, and x itself otherwise."""
    return x.float() if x.itemsize < 4 else x


def combine(weights: Sequence[float], velocities: Sequence[Tensor]) -> Tensor:
    """Returns the weighted sum of velocities in their dtype, summed at least in float32."""
    newest = velocities[0]
    if len(weights) == 1 and weights[0] == 1.0:
        return newest
    total = widen(newest) * weights[0]
    for w, v in zip(weights[1:], velocities[1:], strict=False):
        total.add_(v, alpha=w)
    return total.to(newest.dtype)
