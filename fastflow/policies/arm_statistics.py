"""The table that bandits learn: moments of rewards and errors, per step and arm."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastflow.integration.grid import Grid
from fastflow.policies.memory import Memory, checked_numbers
from fastflow.policies.reward import Reward


@dataclass(frozen=True)
class ArmStats:
    """Holds the statistics of one step's feasible arms, in arrays with one entry per arm.

    Attributes:
        arms: the skip lengths.
        count: N(m), the number of rewards of each arm.
        mean: Q(m), their mean; 0 where there are none.
        spread: the standard deviation of each arm's rewards; 0 where there are fewer than two.
    """

    arms: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    @property
    def total(self) -> int:
        """n, the number of rewards of all arms together."""
        return int(self.count.sum())


class Moments:
    """Accumulates count, mean and sum of squared deviations (``m2``) of the values of cells."""

    def __init__(self, *shape: int):
        self.count = np.zeros(shape, dtype=np.int64)
        self.mean = np.zeros(shape)
        self.m2 = np.zeros(shape)

    def add(self, cell: tuple[int, ...], value: float) -> None:
        """Adds one value to a cell (Welford's update)."""
        self.count[cell] += 1
        delta = value - self.mean[cell]
        self.mean[cell] += delta / self.count[cell]
        self.m2[cell] += delta * (value - self.mean[cell])

    def merge(self, other: Moments) -> None:
        """Adds another set of cells, exactly up to rounding (Chan's parallel update)."""
        count = self.count + other.count
        whole = np.maximum(count, 1)
        delta = other.mean - self.mean
        self.m2 += other.m2 + delta**2 * self.count * other.count / whole
        self.mean += delta * other.count / whole
        self.count = count

    def to_dict(self) -> dict[str, list]:
        """Returns the moments as nested lists."""
        return {"count": self.count.tolist(), "mean": self.mean.tolist(), "m2": self.m2.tolist()}

    def load_dict(self, content: dict[str, list]) -> None:
        """Replaces the moments by nested lists of the same shape.

        Raises:
            KeyError: if one of them is missing.
            ValueError: if one has another shape or is not finite, a count is not a whole number,
                or a count or a squared deviation is negative.
        """
        shape = self.count.shape
        count = checked_numbers("count", content["count"], shape, least=0)
        if (count != np.floor(count)).any() or count.max(initial=0.0) >= 2**53:
            raise ValueError("`count` must be whole numbers.")
        mean = checked_numbers("mean", content["mean"], shape)
        m2 = checked_numbers("m2", content["m2"], shape, least=0)
        self.count, self.mean, self.m2 = count.astype(np.int64), mean, m2

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation per cell; 0 where there are fewer than two values."""
        return np.sqrt(self.m2 / np.maximum(self.count - 1, 1))


@dataclass
class BanditMemory(Memory):
    """Holds the rewards and errors of one bandit per time step, by step and arm.

    Attributes:
        arms: the skip lengths, one per column.
        steps: the number T of time steps, one per row.
        measures: the reward that measured the constants, which loaded ones have to fit; None if
            any do.
        constants: the reward's constants, measured on the first generation; None before it.
        reward: moments of the rewards, ``(T, A)``.
        error: moments of the landing errors, ``(T, A)``.
        surplus: for each target number of computed steps that was set, by its text, the sum over
            samples of how many steps were computed beyond it.
        solved: what was derived from the table; emptied whenever the table changes.
    """

    arms: tuple[int, ...] = ()
    steps: int = 0
    measures: Reward | None = field(default=None, repr=False, compare=False)
    constants: dict[str, float] | None = None
    reward: Moments = field(init=False)
    error: Moments = field(init=False)
    surplus: dict[str, float] = field(default_factory=dict)
    solved: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self):
        self.reward = Moments(self.steps, len(self.arms))
        self.error = Moments(self.steps, len(self.arms))

    @property
    def is_empty(self) -> bool:
        """Whether no arm has received a reward yet."""
        return not self.reward.count.any()

    @property
    def magnitude(self) -> float:
        """The largest absolute mean reward; 1 if all are 0."""
        return float(np.abs(self.reward.mean).max(initial=0.0)) or 1.0

    def stats(self, step: int, arms: Sequence[int]) -> ArmStats:
        """Returns the statistics of some arms at one step."""
        columns = [self.arms.index(m) for m in arms]
        table = (self.reward.count, self.reward.mean, self.reward.spread)
        count, mean, spread = (values[step, columns] for values in table)
        return ArmStats(np.asarray(arms), count, mean, spread)

    def add(self, step: int, arm: int, error: float, reward: float) -> None:
        """Adds the error and the reward of one observation."""
        cell = step, self.arms.index(arm)
        self.solved.clear()
        self.error.add(cell, error)
        self.reward.add(cell, reward)

    def aim(self, target: float, computed: int) -> None:
        """Adds the number of computed steps of one sample with a target."""
        self.solved.clear()
        name = repr(float(target))
        self.surplus[name] = self.surplus.get(name, 0.0) + computed - target

    def merge(self, other: Memory) -> None:
        super().merge(other)
        if not isinstance(other, BanditMemory):
            raise ValueError("`other` must be a bandit's memory.")
        if self.constants is None:
            self.constants = other.constants
        elif other.constants not in (None, self.constants):
            raise ValueError(
                "these memories measured their reward's constants on different generations, "
                f"{self.constants} and {other.constants}: their rewards have different units. "
                "Start both from one memory of the first generation."
            )
        self.reward.merge(other.reward)
        self.error.merge(other.error)
        for target, steps in other.surplus.items():
            self.surplus[target] = self.surplus.get(target, 0.0) + steps
        self.solved.clear()

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {
            "arms": list(self.arms),
            "steps": self.steps,
            "constants": self.constants,
            "reward": self.reward.to_dict(),
            "error": self.error.to_dict(),
            "surplus": dict(self.surplus),
        }

    def load_dict(self, content: dict[str, Any]) -> None:
        super().load_dict(content)
        self.constants = _constants(content["constants"], self.measures)
        self.reward.load_dict(content["reward"])
        self.error.load_dict(content["error"])
        # memories of version 0.1 know no targets
        surplus = content.get("surplus", {})
        checked_numbers("surplus", [*surplus.values()], (len(surplus),))
        self.surplus = {name: float(steps) for name, steps in surplus.items()}
        self.solved.clear()

    def summary(self) -> str:
        """Returns the table as text: per step the best arm, and every arm's mean and count."""
        head = "step  best  " + "  ".join(f"{f'skip {m}':>16}" for m in self.arms)
        rows = [head]
        for k in range(self.steps):
            count, mean = self.reward.count[k], self.reward.mean[k]
            if not count.any():
                continue
            best = self.arms[int(np.argmax(np.where(count > 0, mean, -math.inf)))]
            cells = (f"{q:+9.4f} ({n:>4})" if n else f"{'-':>16}" for q, n in zip(mean, count))
            rows.append(f"{k:>4}  {best:>4}  " + "  ".join(cells))
        return "\n".join(rows)


def _constants(stored: Any, reward: Reward | None) -> dict[str, float] | None:
    """Returns a reward's constants, as they were stored; None before they were measured."""
    if stored is not None:
        checked_numbers("constants", [*stored.values()], (len(stored),))
        if reward is not None:
            reward.check_constants(stored)
    return stored


def check_rows(memory: BanditMemory, grid: Grid) -> None:
    """Raises a ValueError if table and grid differ in their number of steps."""
    if memory.steps != grid.steps:
        raise ValueError(
            f"`memory` has a table of {memory.steps} steps, but this trajectory has {grid.steps}. "
            "All samples of a run must have the same number of steps; use one memory per number."
        )


def memory_of(memory: Memory) -> BanditMemory:
    """Returns the memory if it is a bandit's; raises a ValueError otherwise."""
    if not isinstance(memory, BanditMemory):
        raise ValueError("`memory` is not a bandit's: make one with `policy.empty(grid)`.")
    return memory
