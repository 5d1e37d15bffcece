"""Extrapolators: scalar weights that predict a velocity from computed ones, like a tableau."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Extrapolator(ABC):
    """Predicts the velocity of a skipped step as a weighted sum of computed velocities."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """How many computed velocities it uses at most."""

    @property
    def degree(self) -> int:
        """The degree of the polynomials in sigma it continues exactly, once it has its depth.

        With n < depth velocities the degree is n - 1 at most. 0 says that the weights sum to 1,
        -1 that not even that holds.
        """
        return self.depth - 1

    @abstractmethod
    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        """Returns one coefficient per given time.

        Args:
            times: sigmas of the computed velocities, newest first; 1 to ``depth`` of them.
            t: the sigma to predict the velocity at.
        """


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
    """Returns x in float32 if it is of a half precision, else x itself."""
    return x.float() if x.itemsize < 4 else x


def combine(weights: Sequence[float], velocities: Sequence[Tensor]) -> Tensor:
    """Returns the weighted sum of velocities, in their dtype, summed in float32 or more."""
    newest = velocities[0]
    if len(weights) == 1 and weights[0] == 1.0:
        return newest
    total = widen(newest) * weights[0]
    for w, v in zip(weights[1:], velocities[1:], strict=False):
        total.add_(v, alpha=w)
    return total.to(newest.dtype)
