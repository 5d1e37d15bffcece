"""Correctors: what is known better about skipped steps once the model has been called again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Corrector(ABC):
    """Replaces the extrapolated velocities of skipped steps by better ones at a landing.

    The core adds ``sum dsigma (v_corrected - v_extrapolated)`` over the skipped steps to x: a
    weighted sum of velocities at hand, no model call.
    """

    @property
    @abstractmethod
    def depth(self) -> int:
        """How many computed velocities it uses, the landing's included; 0 corrects nothing."""

    @property
    def degree(self) -> int:
        """The degree of the polynomials in sigma it gives exactly, once it has its depth.

        With n < depth velocities the degree is n - 1 at most; -1 promises nothing.
        """
        return self.depth - 1

    @abstractmethod
    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        """Returns one coefficient per given time for the corrected velocity at ``t``.

        Args:
            times: sigmas of computed velocities, newest (the landing's) first.
            t: the sigma of a skipped step.
        """


@dataclass(frozen=True)
class NoCorrection(Corrector):
    """Leaves the position as the extrapolated velocities made it."""

    @property
    def depth(self) -> int:
        return 0

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        return ()
