"""Remembers of each time grid where a pipeline's runs ended, and where their velocity jumped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RunShape:
    """Says what the last run over some sigmas was like.

    Args:
        steps: how many steps it took; None if that is not known.
        jumps: the steps at which the network calls changed, and the first call did not show it.
    """

    steps: int | None = None
    jumps: frozenset[int] = frozenset()


@dataclass
class RunShapes:
    """Holds the shape of the last run over each sequence of sigmas."""

    _seen: dict[tuple[float, ...], RunShape] = field(default_factory=dict)

    def of(self, sigma: Sequence[float]) -> RunShape:
        """Returns the shape of the last run that began with these sigmas, to their end."""
        return self._seen.get(tuple(sigma), RunShape())

    def keep(self, sigma: Sequence[float], steps: int, jumps: frozenset[int]) -> None:
        """Takes the shape of a run that came to its end."""
        self._seen[tuple(sigma)] = RunShape(steps, frozenset(k for k in jumps if k < steps))
