"""Rewards: the value of a skip, from its length and the error observed at its landing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastflow.integration.feedback import Observation
from fastflow.integration.losses import check_loss
from fastflow.planning import EARLY, POWER, early_weight


@dataclass(frozen=True, kw_only=True)
class Reward(ABC):
    """Weighs the steps that an arm saves against its error.

    Args:
        loss: how errors of velocities are measured: mse, relative_l2 or relative_l1.
    """

    loss: str = "mse"

    def __post_init__(self):
        check_loss(self.loss)
        for name in ("mu", "scale"):
            if not getattr(self, name, 0.0) >= 0:  # NaN is not
                raise ValueError(f"`{name}` must be 0 or more, got {getattr(self, name)}.")

    def calibrate(self, feedback: Sequence[Observation], steps: int) -> dict[str, float]:
        """Returns the constants of `value`, measured on the first generation.

        Args:
            feedback: the observations of the first generation; if it ran unskipped, of every arm
                at every step.
            steps: the number T of steps.
        """
        return {}

    def check_constants(self, constants: Mapping[str, float]) -> None:
        """Raises a ValueError unless `value` works with constants out of a file."""
        try:
            small, large = (
                self.value(Observation(0, 1, 2, error, 1.0, True), constants)
                for error in (0.0, 1.0)
            )
            is_reward = large <= small and math.isfinite(large)
        except (LookupError, ArithmeticError, TypeError):  # also of a unit of 0
            is_reward = False
        if not is_reward:
            raise ValueError(f"`constants` {dict(constants)!r:.60} give no rewards.")

    @abstractmethod
    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        """Returns the reward of one observation.

        Args:
            seen: the arm, with the error observed at its landing.
            constants: what `calibrate` returned.
        """


@dataclass(frozen=True, kw_only=True)
class Paper(Reward):
    """Returns ``mu m - loss`` as in the paper, with mu measured on the first generation.

    ``mu = scale max_t loss_t / T`` over the errors of all arms of the first generation.
    Reference: FastFlow, https://arxiv.org/abs/2602.11105.

    Args:
        loss: how errors are measured; mse in the paper.
        scale: a factor on mu; 1 in the paper.
    """

    scale: float = 1.0

    def calibrate(self, feedback: Sequence[Observation], steps: int) -> dict[str, float]:
        return {"mu": self.scale * max((o.error for o in feedback), default=0.0) / steps}

    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        return constants["mu"] * seen.arm - seen.error


@dataclass(frozen=True, kw_only=True)
class Fixed(Reward):
    """Returns ``mu m - loss`` with a fixed mu.

    Args:
        loss: how errors are measured.
        mu: the value of one skipped step, in units of the loss.
    """

    mu: float = 0.01

    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        return self.mu * seen.arm - seen.error


@dataclass(frozen=True, kw_only=True)
class Normalised(Reward):
    """Returns ``mu m - exposure error / unit``, in units of the model's own errors.

    An error is weighted by how much of it entered the position (`Observation.exposure`), and the
    unit is the mean weighted error over all arms and steps of the first generation. Therefore mu
    and a bandit's gamma have the same meaning for every model.

    Args:
        loss: how errors are measured.
        mu: the value of one skipped step, in such units.
    """

    loss: str = "relative_l2"
    mu: float = 0.3

    def calibrate(self, feedback: Sequence[Observation], steps: int) -> dict[str, float]:
        costs = [o.exposure * o.error for o in feedback if o.arm]
        return {"unit": sum(costs) / len(costs) if sum(costs) > 0 else 1.0}

    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        return self.mu * seen.arm - seen.exposure * seen.error / constants["unit"]


@dataclass(frozen=True, kw_only=True)
class Drift(Reward):
    """Returns ``mu m - (remaining error / unit)^power``: what a skip costs after the correction.

    An error is weighted by how much of it remains in the position (`Observation.remaining`), so
    the cost of a skip does not depend on the skip before it, and costs may be added up over a
    trajectory. The unit is their mean over all arms and steps of the first generation. The power
    and the weight of early errors are those of `plan`.

    Args:
        loss: how errors are measured.
        mu: the value of one skipped step, in such units.
        power: the power of an error that is charged; above 1 it avoids single bad skips.
        early: how many times as much an error counts at the noise end as late.
    """

    loss: str = "relative_l2"
    mu: float = 0.03
    power: float = POWER
    early: float = EARLY

    def __post_init__(self):
        super().__post_init__()
        for name in ("power", "early"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0, got {getattr(self, name)}.")

    def calibrate(self, feedback: Sequence[Observation], steps: int) -> dict[str, float]:
        costs = [self._cost(o) for o in feedback if o.arm]
        return {"unit": sum(costs) / len(costs) if sum(costs) > 0 else 1.0}

    def value(self, seen: Observation, constants: Mapping[str, float]) -> float:
        return self.mu * seen.arm - (self._cost(seen) / constants["unit"]) ** self.power

    def _cost(self, seen: Observation) -> float:
        """Returns the error that a skip leaves in the position, as its observation shows it."""
        weight = seen.exposure if seen.remaining is None else seen.remaining
        return weight * seen.error * early_weight(seen.sigma or 0.0, self.early)
