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
from fastflow.policies.skip_length import Countdown, Observing, SkipLength
from fastflow.policies.step_price import (
    SkipValues,
    fewest_steps,
    find_values,
    rewards_to_go,
)

ASCENT = 16  # updates within which a lasting deviation from the target is made up for


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
        computed_steps: the mean number of computed steps to reach, guidance branches not counted;
            the value of a skipped step then follows from it, whatever the reward's own mu. If
            None, the reward decides.
        lookahead: whether an arm's reward includes the best rewards of all later steps, so that
            the sum over the trajectory is maximised and not each reward alone.
        side_observations: whether a landing also shows what shorter skips would have cost, by
            interpolating the skipped velocities (Caron et al. 2012,
            https://arxiv.org/abs/1210.4839).
    """

    reward: Reward = Normalised()
    warmup_samples: int = 1
    update_every: int = 8
    computed_steps: float | None = None
    lookahead: bool = False
    side_observations: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.warmup_samples < 0:
            raise ValueError(f"`warmup_samples` must be 0 or more, got {self.warmup_samples}.")
        if self.update_every < 1:
            raise ValueError(f"`update_every` must be 1 or more, got {self.update_every}.")
        if self.computed_steps is not None and not self.computed_steps >= 1:
            raise ValueError(f"`computed_steps` must be 1 or more, got {self.computed_steps}.")

    @abstractmethod
    def probabilities(self, stats: ArmStats, context: StepContext) -> Sequence[float] | np.ndarray:
        """Returns the probability of each feasible arm; `greedy` makes probabilities of scores.

        Args:
            stats: the statistics of the feasible arms at this step.
            context: the computed step whose arm is drawn; see `arm_probabilities`.
        """

    def arm_probabilities(
        self, arms: Sequence[int], context: StepContext, memory: Memory
    ) -> Sequence[float] | np.ndarray:
        memory = memory_of(memory)
        if self.computed_steps is None:
            return self._at(0.0, arms, context, memory)
        low, high, share = self._skip_values(context, memory)
        at_low = self._at(low, arms, context, memory)
        if share == 0:
            return at_low
        at_high = np.asarray(self._at(high, arms, context, memory))
        return (1 - share) * np.asarray(at_low) + share * at_high

    def _at(
        self, mu: float, arms: Sequence[int], context: StepContext, memory: BanditMemory
    ) -> Sequence[float] | np.ndarray:
        """Returns the probability of each arm if a skipped step is worth ``mu`` more."""
        stats = memory.stats(context.index, arms)
        if mu or self.lookahead:
            worth = mu * stats.arms
            if self.lookahead:
                to_go = self._to_go(mu, context.grid, memory)
                worth = worth + to_go[context.index + 1 + stats.arms] - to_go[context.index]
            stats = replace(stats, mean=np.where(stats.count > 0, stats.mean + worth, 0.0))
        if memory.frozen:
            return greedy(np.where(stats.count > 0, stats.mean, -math.inf if stats.total else 0))
        return self.probabilities(stats, context)

    def _to_go(self, mu: float, grid: Grid, memory: BanditMemory) -> np.ndarray:
        key = "to go", grid.digest, mu
        if key not in memory.solved:
            memory.solved[key] = rewards_to_go(memory, grid, mu)
        return memory.solved[key]

    def _skip_values(self, context: StepContext, memory: BanditMemory) -> SkipValues:
        """Returns the values of a skipped step that lead to the target; found once per update."""
        key = self, context.grid.digest, memory.frozen
        if key not in memory.solved:
            memory.solved[key] = find_values(
                lambda mu: self._walk(mu, context, memory), self._aim(memory), memory.magnitude
            )
        return memory.solved[key]

    def _walk(self, mu: float, context: StepContext, memory: BanditMemory) -> np.ndarray:
        """Returns the probability that j is computed next after k, ``(T, T)``."""
        grid = context.grid
        walk = np.zeros((grid.steps, grid.steps + 1))
        for k, longest in enumerate(grid.longest_skip):
            arms = [m for m in self.arms if m <= longest]
            if len(arms) == 1:
                walk[k, k + 1] = 1.0
            else:
                landings = [k + m + 1 for m in arms]
                walk[k, landings] = self._at(mu, arms, context.at_step(k), memory)
        return walk[:, :-1]

    def _aim(self, memory: BanditMemory) -> float:
        """Returns the number of steps to aim at, so that the target is reached.

        Dual ascent in units of steps: ``aim = target - eta sum (steps - target)`` over the samples
        so far. The table foretells how many steps are computed, so the sum stays small unless
        something else, such as a jump that the grid does not know, forces steps.
        """
        assert self.computed_steps is not None
        eta = 1 / (ASCENT * max(self.update_every, 8))
        beyond = eta * memory.surplus.get(repr(float(self.computed_steps)), 0.0)
        most = memory.steps / 10
        return self.computed_steps - min(max(beyond, -most), most)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        if self.computed_steps is None:  # with a target, arms that fit nowhere are left out
            self.check_fit(grid)
        memory = memory_of(memory)
        check_rows(memory, grid)
        self._check_target(grid)
        learns = not memory.frozen
        spec = FeedbackSpec(
            loss=self.reward.loss, all_arms=learns, side=learns and self.side_observations
        )
        if memory.frozen and memory.is_empty:
            return Unskipped(spec)  # nothing was learned, and exploring is not allowed
        if memory.samples < self.warmup_samples and not memory.frozen:
            spec = replace(spec, lookback=self.arms[-1])
            return Observing(self, spec) if self.has_features else Unskipped(spec)
        return Countdown(self, memory, spec)

    def _check_target(self, grid: Grid) -> None:
        """Raises a ValueError if no choice of arms leads to the target."""
        if self.computed_steps is not None and self.has_features:
            raise ValueError(
                f"`computed_steps` cannot be kept by {type(self).__name__}, got "
                f"{self.computed_steps}: its choices depend on `features`, which are not known "
                "before a step is reached. Leave it out; the reward decides how much is skipped."
            )
        fewest = fewest_steps(self.arms, grid)
        if self.computed_steps is not None and not fewest <= self.computed_steps <= grid.steps:
            raise ValueError(
                f"`computed_steps` must be from {fewest} to {grid.steps} on a grid of "
                f"{grid.steps} steps with `arms` {list(self.arms)}, got {self.computed_steps}. "
                "Give another policy.computed_steps, other arms, or other steps."
            )

    def empty(self, grid: Grid) -> BanditMemory:
        key = {
            "arms": list(self.arms),
            "steps": grid.steps,
            "grid": grid.digest,
            "reward": repr(self.reward),
        }
        return BanditMemory(key=key, arms=self.arms, steps=grid.steps, measures=self.reward)

    def learn(self, memory: Memory, feedback: Feedback) -> None:
        memory, observations = memory_of(memory), feedback.observations
        memory.samples += 1
        rewards = self.rewards(memory, observations)
        memory.constants = self._constants(memory, observations)
        for seen, reward in zip(observations, rewards, strict=True):
            if reward is not None:
                memory.add(seen.step, seen.arm, seen.error, reward)
        skipped = sum(seen.arm for seen in observations if seen.taken)
        if self.computed_steps is not None and skipped:
            last = max(seen.landing for seen in observations)
            memory.aim(self.computed_steps, last + 1 - skipped)

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
