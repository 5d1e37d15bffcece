"""Correctors: better velocities of skipped steps, once the model has been called again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Corrector(ABC):
    """Replaces the extrapolated velocities of skipped steps by better ones at a landing.

    The loop adds ``sum dsigma (v_corrected - v_extrapolated)`` over the skipped steps to x. That
    is a weighted sum of computed velocities and takes no further model call.
    """

    @property
    @abstractmethod
    def depth(self) -> int:
        """The number of computed velocities it uses, including the landing's; 0: no correction."""

    @property
    def degree(self) -> int:
        """The degree of the polynomials in sigma that it reproduces exactly from full depth.

        With n < depth velocities the degree is at most n - 1; -1 guarantees nothing.
        """
        return self.depth - 1

    @abstractmethod
    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        """Returns the coefficients of the corrected velocity at ``t``, one per entry of ``times``.

        Args:
            times: sigmas of computed velocities, newest (the landing's) first; 1 is noise.
            t: the sigma of a skipped step.
        """


@dataclass(frozen=True)
class NoCorrection(Corrector):
    """Keeps the extrapolated velocities and changes nothing at a landing."""

    @property
    def depth(self) -> int:
        return 0

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        return ()
