"""Bandits: an independent choice among skip lengths at every time step, learned from rewards."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastflow.integration.episode import Episode, StepContext, Unskipped
from fastflow.integration.feedback import Feedback, FeedbackSpec, Observation
from fastflow.integration.grid import Grid
from fastflow.policies.arm_statistics import ArmStats, BanditMemory, check_rows, memory_of
from fastflow.policies.memory import Memory
from fastflow.policies.reward import Normalised, Reward
from fastflow.policies.skip_length import Countdown, SkipLength


def greedy(scores: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns probabilities that are uniform over the arms of the highest score, 0 elsewhere."""
    scores = np.asarray(scores, dtype=float)
    best = scores == scores.max()
    return best / best.sum()


@dataclass(frozen=True, kw_only=True)
class Bandit(SkipLength):
    """Chooses skip lengths by one bandit per time step; a subclass defines `probabilities`.

    Args:
        arms: the numbers of skipped steps to choose from, increasing and starting with 0.
        reward: weighs the skipped steps against their error.
        warmup_samples: how many of the first samples run unskipped; each of them shows the error
            of every arm at every step, so every arm is tried at once.
        update_every: how many samples run between two updates of the memory. All of them use the
            same memory, so results depend neither on the batch size nor on the number of
            processes. 1 is the fully online bandit.
    """

    reward: Reward = Normalised()
    warmup_samples: int = 1
    update_every: int = 8

    def __post_init__(self):
        super().__post_init__()
        if self.warmup_samples < 0:
            raise ValueError(f"`warmup_samples` must be 0 or more, got {self.warmup_samples}.")
        if self.update_every < 1:
            raise ValueError(f"`update_every` must be 1 or more, got {self.update_every}.")

    @abstractmethod
    def probabilities(self, stats: ArmStats, context: StepContext) -> Sequence[float] | np.ndarray:
        """Returns the probability of each feasible arm; `greedy` makes probabilities of scores.

        Args:
            stats: the statistics of the feasible arms at this step.
            context: the computed step at which the arm is drawn.
        """

    def arm_probabilities(
        self, arms: Sequence[int], context: StepContext, memory: Memory
    ) -> Sequence[float] | np.ndarray:
        stats = memory_of(memory).stats(context.index, arms)
        if memory.frozen:
            return greedy(np.where(stats.count > 0, stats.mean, -math.inf if stats.total else 0))
        return self.probabilities(stats, context)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        self.check_fit(grid)
        memory = memory_of(memory)
        check_rows(memory, grid)
        spec = FeedbackSpec(loss=self.reward.loss, all_arms=not memory.frozen)
        if memory.frozen and memory.is_empty:
            return Unskipped(spec)  # nothing was learned, and exploring is not allowed
        if memory.samples < self.warmup_samples and not memory.frozen:
            return Unskipped(replace(spec, lookback=self.arms[-1]))
        return Countdown(self, memory, spec)

    def empty(self, grid: Grid) -> BanditMemory:
        key = {
            "arms": list(self.arms),
            "steps": grid.steps,
            "grid": grid.digest,
            "reward": repr(self.reward),
        }
        return BanditMemory(key=key, arms=self.arms, steps=grid.steps)

    def learn(self, memory: Memory, feedback: Feedback) -> None:
        memory, observations = memory_of(memory), feedback.observations
        memory.samples += 1
        rewards = self.rewards(memory, observations)
        memory.constants = self._constants(memory, observations)
        for seen, reward in zip(observations, rewards, strict=True):
            if reward is not None:
                memory.add(seen.step, seen.arm, seen.error, reward)

    def rewards(self, memory: Memory, observations: Sequence[Observation]) -> list[float | None]:
        constants = self._constants(memory_of(memory), observations)
        return [
            self.reward.value(seen, constants)
            if constants is not None and self._counts(seen)
            else None
            for seen in observations
        ]

    def _constants(self, memory: BanditMemory, observations: Sequence[Observation]):
        """Returns the reward's constants, measured on these observations if they are the first."""
        if memory.constants is None:
            counted = [seen for seen in observations if self._counts(seen)]
            return self.reward.calibrate(counted, memory.steps) if counted else None
        return memory.constants

    def _counts(self, seen: Observation) -> bool:
        return seen.arm in self.arms and math.isfinite(seen.error)

    def samples_until_update(self, memory: Memory) -> int | None:
        if memory.frozen:
            return None
        return 1 if memory.samples < self.warmup_samples else self.update_every
