"""Coefficients: the position after a step as a weighted sum of the velocities computed so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence


class Coefficients(ABC):
    """Gives the position after each step as ``x_0 + sum_l w_l v_l``.

    Every linear scheme is a choice of such weights; extrapolation with correction at landings is
    one of them. x_0 is the position at the noise end, or after a jump the one at the jump; v_l are
    the velocities computed since.
    """

    @abstractmethod
    def weights(
        self, computed: Sequence[int], k: int, so_far: Sequence[float]
    ) -> Sequence[float] | None:
        """Returns the weights of the position after step k, at ``sigmas[k + 1]``.

        Args:
            computed: the steps computed since the last jump, in increasing order; k is the last
                of them if it is computed.
            k: the step to take.
            so_far: the weights of the position before step k, one per entry of ``computed``.

        Returns:
            One weight per entry of ``computed``; None to leave the step to the extrapolator and
            the corrector.
        """
