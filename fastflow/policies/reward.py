"""Rewards: what a skip was worth, from the error it showed at its landing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastflow.integration.feedback import Observation
from fastflow.integration.losses import check_loss


@dataclass(frozen=True, kw_only=True)
class Reward(ABC):
    """Weighs the steps saved by an arm against the error it made.

    Args:
        loss: how errors of velocities are measured: mse, relative_l2 or relative_l1.
    """

    loss: str = "mse"

    def __post_init__(self):
        check_loss(self.loss)

    def calibrate(self, feedback: Sequence[Observation], steps: int) -> dict[str, float]:
        """Measures, on the first generation, the constants that `value` needs.

        Args:
            lesson: what the first generation taught; of every arm at every step if it ran in full.
            steps: the number T of steps.
        """
        return {}

    @abstractmethod
    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        """Returns the reward of the arm that was seen to land."""


@dataclass(frozen=True, kw_only=True)
class Paper(Reward):
    """The paper's reward ``mu m - loss``, mu measured on the first generation.

    ``mu = scale max_t loss_t / T`` over the errors of the first generation; all arms take part.
    Reference: FastFlow, https://arxiv.org/abs/2602.11105.

    Args:
        loss: how errors are measured; the paper's is mse.
        scale: a factor on mu; the paper's is 1.
    """

    scale: float = 1.0

    def calibrate(self, feedback: Sequence[Observation], steps: int) -> dict[str, float]:
        return {"mu": self.scale * max((o.error for o in feedback), default=0.0) / steps}

    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        return constants["mu"] * seen.arm - seen.error


@dataclass(frozen=True, kw_only=True)
class Fixed(Reward):
    """The reward ``mu m - loss`` with a given mu.

    Args:
        loss: how errors are measured.
        mu: what one skipped step is worth, in units of the loss.
    """

    mu: float = 0.01

    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        return self.mu * seen.arm - seen.error


@dataclass(frozen=True, kw_only=True)
class Normalised(Reward):
    """A reward in units of the errors that were seen: ``mu m - exposure error / unit``.

    An error counts by how much of it entered the position (`Observation.exposure`), and the unit
    is the mean of that over all arms and steps of the first generation. So mu and a bandit's gamma
    mean the same for every model: mu is what a skipped step may cost, in such units.

    Args:
        loss: how errors are measured; relative_l2 unless given.
        mu: what one skipped step is worth.
    """

    loss: str = "relative_l2"
    mu: float = 0.3

    def calibrate(self, feedback: Sequence[Observation], steps: int) -> dict[str, float]:
        costs = [o.exposure * o.error for o in feedback if o.arm]
        return {"unit": sum(costs) / len(costs) if sum(costs) > 0 else 1.0}

    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        return self.mu * seen.arm - seen.exposure * seen.error / constants["unit"]
