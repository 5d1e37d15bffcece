"""Bandits: at every time step an independent choice among skip lengths, learned from rewards."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastflow.grid import Grid
from fastflow.memory import Memory
from fastflow.policy import Countdown, Episode, Now, SkipLength, Unskipped
from fastflow.records import Observation
from fastflow.reward import Normalised, Reward


@dataclass(frozen=True)
class ArmStats:
    """What one step's bandit knows of its feasible arms; arrays with one entry per arm.

    Attributes:
        arms: the skip lengths.
        count: N(m), how many rewards each arm has had.
        mean: Q(m), their mean; 0 where there is none.
        spread: the standard deviation of each arm's rewards; 0 where fewer than two.
    """

    arms: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    @property
    def total(self) -> int:
        """n, the number of rewards of all the arms."""
        return int(self.count.sum())


def greedy(scores: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns the probabilities that share certainty among the arms of the highest score."""
    scores = np.asarray(scores, dtype=float)
    best = scores == scores.max()
    return best / best.sum()


class Moments:
    """Count, mean and sum of squared deviations per cell; merges exactly up to rounding."""

    def __init__(self, *shape: int):
        self.count = np.zeros(shape, dtype=np.int64)
        self.mean = np.zeros(shape)
        self.m2 = np.zeros(shape)

    def add(self, cell: tuple[int, ...], value: float) -> None:
        """Takes one value into a cell (Welford's update)."""
        self.count[cell] += 1
        delta = value - self.mean[cell]
        self.mean[cell] += delta / self.count[cell]
        self.m2[cell] += delta * (value - self.mean[cell])

    def merge(self, other: Moments) -> None:
        """Takes another set of cells in (Chan's parallel update)."""
        count = self.count + other.count
        whole = np.maximum(count, 1)
        delta = other.mean - self.mean
        self.m2 += other.m2 + delta**2 * self.count * other.count / whole
        self.mean += delta * other.count / whole
        self.count = count

    def to_dict(self) -> dict[str, list]:
        """Returns nested lists."""
        return {"count": self.count.tolist(), "mean": self.mean.tolist(), "m2": self.m2.tolist()}

    def load_dict(self, content: dict[str, list]) -> None:
        """Takes over nested lists of the same shape."""
        for name in ("count", "mean", "m2"):
            mine = getattr(self, name)
            theirs = np.asarray(content[name], dtype=mine.dtype)
            if theirs.shape != mine.shape:
                raise KeyError(f"{name} has shape {theirs.shape}, expected {mine.shape}")
            setattr(self, name, theirs)

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation per cell; 0 where there are fewer than two values."""
        return np.sqrt(self.m2 / np.maximum(self.count - 1, 1))


@dataclass
class BanditMemory(Memory):
    """The table of a bandit per time step: rewards and errors, per step and arm.

    Attributes:
        arms: the skip lengths, one per column.
        steps: the number of time steps, one per row.
        constants: what the reward measured on the first generation; None before it.
        reward: moments of the rewards, ``(T, A)``.
        error: moments of the landing errors, ``(T, A)``.
    """

    arms: tuple[int, ...] = ()
    steps: int = 0
    constants: dict[str, float] | None = None
    reward: Moments = field(init=False)
    error: Moments = field(init=False)

    def __post_init__(self):
        self.reward = Moments(self.steps, len(self.arms))
        self.error = Moments(self.steps, len(self.arms))

    def stats(self, step: int, arms: Sequence[int]) -> ArmStats:
        """Returns what is known of the given arms at one step."""
        columns = [self.arms.index(m) for m in arms]
        table = self.reward
        count, mean, m2 = (a[step, columns] for a in (table.count, table.mean, table.m2))
        return ArmStats(np.asarray(arms), count, mean, np.sqrt(m2 / np.maximum(count - 1, 1)))

    def add(self, step: int, arm: int, error: float, reward: float) -> None:
        """Takes one reward in."""
        cell = step, self.arms.index(arm)
        self.error.add(cell, error)
        self.reward.add(cell, reward)

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

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {
            "arms": list(self.arms),
            "steps": self.steps,
            "constants": self.constants,
            "reward": self.reward.to_dict(),
            "error": self.error.to_dict(),
        }

    def load_dict(self, content: dict[str, Any]) -> None:
        super().load_dict(content)
        self.constants = content["constants"]
        self.reward.load_dict(content["reward"])
        self.error.load_dict(content["error"])

    def summary(self) -> str:
        """Returns the table: per step the best arm, and each arm's mean reward and count."""
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


@dataclass(frozen=True, kw_only=True)
class Bandit(SkipLength):
    """A bandit at every time step; a new one states `chances` and nothing else.

    Args:
        arms: the numbers of skipped steps to choose from; rising, starting with 0.
        reward: what a skip was worth.
        full_first: how many of the first samples run unskipped; each shows the error of every
            arm at every step, so every arm is tried at once.
        round: how many samples run between two updates of the memory. Samples of one round see
            the same memory, so results depend neither on batch size nor on the number of
            processes. 1 is the fully online bandit.
    """

    reward: Reward = Normalised()
    full_first: int = 1
    round: int = 8

    def __post_init__(self):
        super().__post_init__()
        if self.full_first < 0:
            raise ValueError(f"`full_first` must be 0 or more, got {self.full_first}.")
        if self.round < 1:
            raise ValueError(f"`round` must be 1 or more, got {self.round}.")

    @abstractmethod
    def chances(self, stats: ArmStats, now: Now) -> Sequence[float] | np.ndarray:
        """Returns each feasible arm's probability; `greedy` turns scores into probabilities."""

    def probabilities(self, arms: Sequence[int], now: Now, memory: Memory):
        stats = memory_of(memory).stats(now.index, arms)
        if memory.frozen:
            return greedy(np.where(stats.count > 0, stats.mean, -math.inf if stats.total else 0))
        return self.chances(stats, now)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        self.check_fit(grid)
        check_rows(memory_of(memory), grid)
        if memory.samples < self.full_first and not memory.frozen:
            episode: Episode = Unskipped(lookback=self.arms[-1])
        else:
            episode = Countdown(self, memory)
        episode.loss, episode.learns = self.reward.loss, not memory.frozen
        return episode

    def empty(self, grid: Grid) -> BanditMemory:
        key = {
            "arms": list(self.arms),
            "steps": grid.steps,
            "grid": grid.digest,
            "reward": repr(self.reward),
        }
        return BanditMemory(key=key, arms=self.arms, steps=grid.steps)

    def learn(self, memory: Memory, lesson: Sequence[Observation]) -> None:
        memory = memory_of(memory)
        memory.samples += 1
        rewards = self.rewards(memory, lesson)
        memory.constants = self._constants(memory, lesson)
        for seen, reward in zip(lesson, rewards, strict=True):
            if reward is not None:
                memory.add(seen.step, seen.arm, seen.error, reward)

    def rewards(self, memory: Memory, lesson: Sequence[Observation]) -> list[float | None]:
        constants = self._constants(memory_of(memory), lesson)
        return [
            self.reward.value(seen, constants)
            if constants is not None and self._counts(seen)
            else None
            for seen in lesson
        ]

    def _constants(self, memory: BanditMemory, lesson: Sequence[Observation]):
        """Returns the reward's constants: those in memory, or measured on this first lesson."""
        if memory.constants is None:
            counted = [seen for seen in lesson if self._counts(seen)]
            return self.reward.calibrate(counted, memory.steps) if counted else None
        return memory.constants

    def _counts(self, seen: Observation) -> bool:
        return seen.arm in self.arms and math.isfinite(seen.error)

    def round_size(self, memory: Memory) -> int | None:
        if memory.frozen:
            return None
        return 1 if memory.samples < self.full_first else self.round


def check_rows(memory: BanditMemory, grid: Grid) -> None:
    """Raises a ValueError if the table has another number of steps than the grid."""
    if memory.steps != grid.steps:
        raise ValueError(
            f"`memory` has a table of {memory.steps} steps, but this trajectory has {grid.steps}. "
            "Samples of one run share one number of steps; give others a memory of their own."
        )


def memory_of(memory: Memory) -> BanditMemory:
    """Returns the memory if it is a bandit's; raises a ValueError otherwise."""
    if not isinstance(memory, BanditMemory):
        raise ValueError("`memory` is not a bandit's: make one with `policy.empty(grid)`.")
    return memory


def print_memory(path: Path) -> str:
    """Returns the table of a saved memory, whatever model it belongs to.

    Raises:
        ValueError: if the file is missing or holds no bandit's table.
    """
    try:
        content = json.loads(path.read_text())
        memory = BanditMemory(
            key=content["key"], arms=tuple(content["arms"]), steps=content["steps"]
        )
    except FileNotFoundError:
        raise ValueError(f"{str(path)!r} does not exist.") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} holds no bandit's table ({error!r}).") from error
    memory.load(path)
    return memory.summary()
