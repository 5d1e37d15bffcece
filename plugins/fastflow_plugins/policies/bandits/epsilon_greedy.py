"""Epsilon-greedy bandits, constant and decaying."""

from dataclasses import dataclass

import numpy as np

from fastflow.integration import StepContext
from fastflow.policies import ArmStats, Bandit, greedy


@dataclass(frozen=True, kw_only=True)
class EpsilonGreedy(Bandit):
    """Takes the best arm so far, or with probability epsilon any feasible one.

    Epsilon decays as ``epsilon / (1 + decay n)`` with the number n of rewards that the step has
    had.

    Args:
        epsilon: the probability of exploring, 0 to 1.
        decay: how fast it decays; 0 keeps it constant.
    """

    epsilon: float = 0.1
    decay: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"`epsilon` must lie between 0 and 1, got {self.epsilon}.")
        if not self.decay >= 0:
            raise ValueError(f"`decay` must be 0 or more, got {self.decay}.")

    def probabilities(self, stats: ArmStats, context: StepContext) -> np.ndarray:
        if (stats.count == 0).any():
            return greedy(stats.count == 0)
        epsilon = self.epsilon / (1 + self.decay * stats.total)
        return (1 - epsilon) * greedy(stats.mean) + epsilon / len(stats.arms)
