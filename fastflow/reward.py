"""Rewards: what a skip was worth, from the error it showed at its landing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastflow.loss import check_loss
from fastflow.records import Observation


@dataclass(frozen=True, kw_only=True)
class Reward(ABC):
    """Weighs the steps saved by an arm against the error it made.

    Args:
        loss: how errors of velocities are measured: mse, relative_l2 or relative_l1.
    """

    loss: str = "mse"

    def __post_init__(self):
        check_loss(self.loss)

    def calibrate(self, lesson: Sequence[Observation], steps: int) -> dict[str, float]:
        """Measures, on the first generation, the constants that `value` needs.

        Args:
            lesson: what the first generation taught; of every arm at every step if it ran in full.
            steps: the number T of steps.
        """
        return {}

    @abstractmethod
    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        """Returns the reward of the arm that was seen to land."""
