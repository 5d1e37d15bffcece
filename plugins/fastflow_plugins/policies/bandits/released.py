"""The bandit of a public FLUX implementation of FastFlow, with its differences from the paper."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastflow.integration import Episode, Feedback, FeedbackSpec, Grid, StepContext
from fastflow.policies import BanditMemory, Memory, SkipLength, check_rows, memory_of


@dataclass(frozen=True, kw_only=True)
class Released(SkipLength):
    """Reproduces the bandit of the public FLUX code, which differs from the paper's.

    Three things differ from the paper. The decision step's bandit is rewarded immediately, with
    ``mu_decision m - MSE(v_k, v_{k-1})``, whose error does not depend on the arm. The reward at
    the landing, ``mu_landing m - MSE``, goes to the landing step's bandit. The step after a
    landing is always computed and makes the next decision, so a cycle costs two computed steps.
    Untried arms are taken in increasing order; ties go to the smallest arm. With the extrapolator
    `reuse`, the errors are the same as in the public code.

    Args:
        arms: the numbers of skipped steps.
        gamma: the weight of exploration.
        mu_decision: the reward of a skipped step at the decision.
        mu_landing: the reward of a skipped step at the landing.
    """

    gamma: float = 2.0
    mu_decision: float = 0.005
    mu_landing: float = 0.001

    def __post_init__(self):
        super().__post_init__()
        for name in ("gamma", "mu_decision", "mu_landing"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` must be 0 or more, got {getattr(self, name)}.")

    def empty(self, grid: Grid) -> BanditMemory:
        key = {"policy": repr(self), "steps": grid.steps, "grid": grid.digest}
        return BanditMemory(key=key, arms=self.arms, steps=grid.steps)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        self.check_fit(grid)
        check_rows(memory_of(memory), grid)
        return TwoCalls(self, memory)

    def arm_probabilities(
        self, arms: Sequence[int], context: StepContext, memory: Memory
    ) -> list[float]:
        stats = memory_of(memory).stats(context.index, arms)
        untried = stats.count == 0
        if untried.any() and not memory.frozen:
            best = int(np.argmax(untried))
        else:
            gamma = 0.0 if memory.frozen else self.gamma
            count = np.maximum(stats.count, 1)
            bonus = gamma * np.sqrt(np.log(max(stats.total, 1)) / count)
            best = int(np.argmax(stats.mean + bonus))
        return [float(i == best) for i in range(len(arms))]

    def learn(self, memory: Memory, feedback: Feedback) -> None:
        memory = memory_of(memory)
        taken = [o for o in feedback.observations if o.taken and math.isfinite(o.error)]
        for before, after in pairwise(taken):
            if before.arm == 0 and before.landing == after.step:
                reward = self.mu_decision * after.arm - before.error
                memory.add(after.step, after.arm, before.error, reward)
        for skip in taken:
            if skip.arm:
                reward = self.mu_landing * skip.arm - skip.error
                memory.add(skip.landing, skip.arm, skip.error, reward)
        memory.samples += 1

    def samples_until_update(self, memory: Memory) -> int | None:
        return None if memory.frozen else 1


class TwoCalls(Episode):
    """Skips the drawn number of steps, lands, computes one more step and draws again there."""

    def __init__(self, policy: Released, memory: Memory):
        super().__init__(FeedbackSpec(all_arms=True))
        self.policy, self.memory = policy, memory
        self.left = 0  # steps still to skip
        self.at_landing = True  # whether the last computed step was a landing, or the first step

    def wants_model(self, context: StepContext) -> bool:
        if context.streak == 0:
            self.left = 0 if self.at_landing else self.draw(context.before())
            self.at_landing = self.left > 0
        self.left -= 1
        return self.left < 0

    def draw(self, context: StepContext) -> int:
        """Returns the arm of a computed step."""
        arms = [m for m in self.policy.arms if m <= context.longest_skip]
        probabilities = self.policy.arm_probabilities(arms, context, self.memory)
        self.propensities[context.index] = 1.0
        return arms[int(np.argmax(probabilities))]
