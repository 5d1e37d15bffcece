"""Polynomials through the last computed velocities, on uneven sigmas."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastflow.integration import Extrapolator, lagrange


@dataclass(frozen=True)
class Linear(Extrapolator):
    """Extends the line through the last two computed velocities: order one.

    ``v_hat(t) = v_k + (t - t_k) (v_k - v_p) / (t_k - t_p)``. On an even grid a single skipped step
    is a step of two-step Adams-Bashforth. Reference: FastFlow, https://arxiv.org/abs/2602.11105.
    """

    @property
    def depth(self) -> int:
        return 2

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        return lagrange(times, t)


@dataclass(frozen=True)
class Secant(Extrapolator):
    """Extends the line through the last computed velocity and one computed longer ago.

    With ``lag`` 1 it is `Linear`; a larger one sees less of the last change and of its rounding.
    The paper's p is the earlier of the two, and it leaves open which. While fewer have been
    computed, or since a jump, the earliest one is taken. It holds ``lag`` + 1 velocities.

    Args:
        lag: how many computed velocities the earlier one is before the last, 1 or more.
    """

    lag: int = 2

    def __post_init__(self):
        if not isinstance(self.lag, int) or self.lag < 1:
            raise ValueError(f"`lag` must be a whole number of 1 or more, got {self.lag!r}.")

    @property
    def depth(self) -> int:
        return self.lag + 1

    @property
    def degree(self) -> int:
        return 1

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        if len(times) == 1:
            return (1.0,)
        last, earlier = lagrange((times[0], times[-1]), t)
        return (last, *(0.0,) * (len(times) - 2), earlier)


@dataclass(frozen=True)
class Quadratic(Extrapolator):
    """Extends the parabola through the last three computed velocities: order two."""

    @property
    def depth(self) -> int:
        return 3

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        return lagrange(times, t)


@dataclass(frozen=True)
class Nudge(Extrapolator):
    """Reuses the last velocity plus a fixed share of its last change.

    A public FLUX implementation of FastFlow does so: ``v_k + rate (v_k - v_p)``, regardless of the
    distance. Applied repeatedly, the share tends to ``rate / (1 - rate)``, which is used here.

    Args:
        rate: the share, 0 to below 1.
    """

    rate: float = 0.005

    def __post_init__(self):
        if not 0 <= self.rate < 1:
            raise ValueError(f"`rate` must be at least 0 and below 1, got {self.rate}.")

    @property
    def depth(self) -> int:
        return 2

    @property
    def degree(self) -> int:
        return 0

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        if len(times) == 1:
            return (1.0,)
        share = self.rate / (1 - self.rate)
        return (1 + share, -share)
