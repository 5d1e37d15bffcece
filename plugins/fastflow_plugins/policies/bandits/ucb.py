"""Upper confidence bounds, the paper's bandit."""

from dataclasses import dataclass

import numpy as np

from fastflow.integration import StepContext
from fastflow.policies import ArmStats, Bandit, greedy


@dataclass(frozen=True, kw_only=True)
class UCB(Bandit):
    """Takes the arm with the highest upper confidence bound, ``Q(m) + gamma sqrt(ln n / N(m))``.

    Untried arms are taken first. Reference: Auer et al. 2002, https://doi.org/10.1023/A:1013689704352;
    for flow matching, FastFlow, https://arxiv.org/abs/2602.11105.

    Args:
        gamma: the weight of exploration, in units of the reward.
    """

    gamma: float = 0.03

    def __post_init__(self):
        super().__post_init__()
        if not self.gamma >= 0:
            raise ValueError(f"`gamma` must be 0 or more, got {self.gamma}.")

    def probabilities(self, stats: ArmStats, context: StepContext) -> np.ndarray:
        if (stats.count == 0).any():
            return greedy(stats.count == 0)
        return greedy(stats.mean + self.bonus(stats))

    def bonus(self, stats: ArmStats) -> np.ndarray:
        """Returns how far above its mean each arm's bound lies; every arm has been tried."""
        return self.gamma * np.sqrt(np.log(stats.total) / stats.count)
