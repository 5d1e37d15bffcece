"""A policy is a recipe for deciding which steps are computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastflow.integration.episode import Episode
from fastflow.integration.feedback import Feedback, Observation
from fastflow.integration.grid import Grid
from fastflow.policies.memory import Memory


class RecordedRuns(Protocol):
    """Recorded trajectories of which every step was computed: what parameters are fitted to.

    Attributes:
        trajectories: by the requests' indices, the velocities and signals recorded at every step
            (`fastflow.sampling.Recording`).
        grams: ``(S, T, T)`` mean products of each trajectory's velocities.
    """

    @property
    def trajectories(self) -> Mapping[int, Any]: ...

    @property
    def grams(self) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """A recipe for deciding which steps are computed; its fields are its parameters."""

    @abstractmethod
    def begin(self, grid: Grid, memory: Memory) -> Episode:
        """Begins one trajectory; raises ValueError if the policy does not fit the grid."""

    def empty(self, grid: Grid) -> Memory:
        """Returns a memory that has learned nothing, for trajectories on this grid."""
        return Memory()

    def learn(self, memory: Memory, feedback: Feedback) -> None:
        """Takes what one trajectory taught into memory."""

    def rewards(self, memory: Memory, observations: Sequence[Observation]) -> list[float | None]:
        """Returns the reward of each observation, where the policy knows one; for the records."""
        return [None] * len(observations)

    def calibrated(self, recording: RecordedRuns) -> Policy:
        """Returns this policy with its parameters fitted to recorded trajectories.

        Raises:
            ValueError: if it has none to fit, or the recording lacks what it needs.
        """
        raise ValueError(
            f"`{type(self).__name__}` has nothing to calibrate: it takes its parameters as given."
        )

    def quality(self, recording: RecordedRuns) -> dict[str, float]:
        """Returns how well its parameters fit recorded trajectories: numbers by name."""
        return {}

    def samples_until_update(self, memory: Memory) -> int | None:
        """Says how many samples may run before memory has to learn; None if it never does."""
        return None
