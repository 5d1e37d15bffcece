"""Spectrum: a ridge fit of Chebyshev polynomials to all computed velocities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from fastflow.integration import Extrapolator, lagrange


@dataclass(frozen=True)
class Spectrum(Extrapolator):
    """Fits Chebyshev polynomials of time to all computed velocities, by ridge regression.

    The published method predicts the output of the last block; here it predicts the velocity, as
    a function of ``1 - 2 sigma`` in [-1, 1] (the public code has the number of the step in its
    place). With a row ``T(t) = (T_0(t), ..., T_order(t))`` for each computed velocity, the weights
    are ``T(t) (T^T T + ridge I)^-1 T^T``; they are mixed with those of the line through the last
    two velocities. They do not sum to 1, because the ridge shrinks the fit to zero.
    Reference: https://arxiv.org/abs/2603.01623.

    Args:
        order: the degree of the highest Chebyshev polynomial.
        ridge: the weight of the squared coefficients in the fit, above 0.
        share: the share of the fit in the mixture, 0 to 1; the public code runs FLUX with 0.5.
        history: the largest number of computed velocities that it is fitted to, each of which is
            kept in memory.
    """

    order: int = 4
    ridge: float = 0.1
    share: float = 0.5
    history: int = 64

    def __post_init__(self):
        for name, least in (("order", 0), ("history", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be {least} or more, got {getattr(self, name)}.")
        if not self.ridge > 0:
            raise ValueError(f"`ridge` must be above 0, got {self.ridge}.")
        if not 0 <= self.share <= 1:
            raise ValueError(f"`share` must be from 0 to 1, got {self.share}.")

    @property
    def depth(self) -> int:
        return self.history

    @property
    def degree(self) -> int:
        return -1

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        rows = chebvander(1 - 2 * np.asarray(times, dtype=np.float64), self.order)
        here = chebvander(np.array([1 - 2 * t]), self.order)[0]
        gram = rows.T @ rows + self.ridge * np.eye(self.order + 1)
        mixed = self.share * (rows @ np.linalg.solve(gram, here))
        mixed[:2] += (1 - self.share) * np.array(lagrange(times[:2], t))
        return tuple(mixed.tolist())
