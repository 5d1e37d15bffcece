"""The difference between the velocity and the latents is reused: EasyCache's prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastflow.integration import Extrapolator


@dataclass(frozen=True)
class Offset(Extrapolator):
    """Reuses the last computed velocity minus the latents there: EasyCache's prediction.

    ``v_hat = v_k + x - x_k``. As x moves by the predicted velocities themselves, these solve
    ``dv/dsigma = v``: ``v_hat(t) = exp(t - t_k) v_k``. Over Euler steps the factor is
    ``prod (1 + dsigma)``, to which the exponential is equal to first order in dsigma.
    Reference: https://arxiv.org/abs/2507.02860.
    """

    @property
    def depth(self) -> int:
        return 1

    @property
    def degree(self) -> int:
        return -1

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        return (math.exp(t - times[0]),)
