"""Policies: recipes for deciding which steps are computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from fastflow.integration.episode import Episode
from fastflow.integration.feedback import Feedback, Observation
from fastflow.integration.grid import Grid
from fastflow.policies.memory import Memory


class RecordedRuns(Protocol):
    """Holds recorded trajectories with every step computed, to which parameters are fitted.

    Attributes:
        trajectories: the velocities and signals recorded at every step, by the index of the
            request (`fastflow.sampling.Recording`).
        grams: ``(S, T, T)`` mean products of each trajectory's velocities.
    """

    @property
    def trajectories(self) -> Mapping[int, Any]: ...

    @property
    def grams(self) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """Decides which steps are computed; its fields are its parameters.

    Attributes:
        needs_probe: whether it decides by a probe's signal, and so skips nothing without one.
    """

    needs_probe: ClassVar[bool] = False

    @abstractmethod
    def begin(self, grid: Grid, memory: Memory) -> Episode:
        """Returns the episode of one trajectory.

        Args:
            grid: the trajectory's time grid.
            memory: what was learned so far; it is only read.

        Raises:
            ValueError: if the policy does not fit the grid.
        """

    def empty(self, grid: Grid) -> Memory:
        """Returns a memory that has learned nothing, for trajectories on this grid."""
        return Memory()

    def learn(self, memory: Memory, feedback: Feedback) -> None:
        """Updates the memory with the feedback of one trajectory."""
        memory.samples += 1
        memory.gram.add(feedback.gram)

    def rewards(self, memory: Memory, observations: Sequence[Observation]) -> list[float | None]:
        """Returns the reward of each observation, for the log; None where there is none."""
        return [None] * len(observations)

    def trials(
        self, memory: Memory, grid: Grid, references: Sequence[Feedback]
    ) -> Generator[list[Any], list[Any], None] | None:
        """Returns the trials that the policy wants after a batch of samples, or None.

        It yields lists of `Trial` and receives a `TrialResult` for each, or for the first few of
        them: it then asks for the rest. A result enters the memory when it is received, so that
        trials that are interrupted go on where they stopped; at the end the memory holds what was
        learned from all of them.

        Args:
            memory: what was learned so far, from these samples too.
            grid: their time grid.
            references: the feedback of those samples of the batch that were not skipped.
        """
        return None

    def learning_runs(self, grid: Grid) -> float:
        """Returns about how many reference runs' worth of network calls its trials will take."""
        return 0.0

    def are_audits(self, memory: Memory) -> bool:
        """Returns whether the trials it wants now are few, and check what was learned.

        A pipeline's own calls run them; all other trials have to be asked for, with `tune`.
        """
        return False

    def remarks(self, memory: Memory, grid: Grid) -> list[str]:
        """Returns what somebody should know about what was learned, or still has to be."""
        return []

    def calibrated(self, recording: RecordedRuns) -> Policy:
        """Returns this policy with its parameters fitted to recorded trajectories.

        Raises:
            ValueError: if there is no parameter to fit, or the recording lacks what it needs.
        """
        raise ValueError(
            f"`{type(self).__name__}` has nothing to calibrate: its parameters are set by hand."
        )

    def quality(self, recording: RecordedRuns) -> dict[str, float]:
        """Returns measures, by name, of how well its parameters fit recorded trajectories."""
        return {}

    def samples_until_update(self, memory: Memory) -> int | None:
        """Returns how many samples may run before the next update; None if there is none."""
        return None
