"""Thompson sampling with a Gaussian posterior of each arm's mean reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from fastflow.integration import StepContext
from fastflow.policies import ArmStats, Bandit, Drift, Reward, greedy

_NODES = np.linspace(-6, 6, 121)  # of the quadrature, in standard deviations
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()


@dataclass(frozen=True, kw_only=True)
class Thompson(Bandit):
    """Takes each arm with the probability that it is the best one.

    The posterior of an arm's mean reward is ``N(Q(m), (width s(m))^2 / N(m))``, with s(m) the
    standard deviation of its rewards, or the largest one of this step where an arm has fewer than
    two. Drawing one value from every posterior and taking the largest chooses each arm with these
    very probabilities; computing them instead, by quadrature, makes the logged propensities exact.
    Reference: Thompson 1933, https://doi.org/10.1093/biomet/25.3-4.285; Agrawal and Goyal 2013,
    https://arxiv.org/abs/1209.3353.

    Args:
        arms: the numbers of skipped steps to choose from.
        reward: weighs the skipped steps against their error.
        lookahead: whether an arm's reward includes the best rewards of all later steps.
        width: a factor on the standard deviations; 0 takes the best arm so far.
        warmup_samples: how many of the first samples run unskipped; two show how much the rewards
            of every arm differ.
    """

    arms: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7, 8)
    reward: Reward = Drift()
    lookahead: bool = True
    width: float = 1.0
    warmup_samples: int = 2

    def __post_init__(self):
        super().__post_init__()
        if not self.width >= 0:
            raise ValueError(f"`width` must be 0 or more, got {self.width}.")

    def probabilities(self, stats: ArmStats, context: StepContext) -> np.ndarray:
        if (stats.count == 0).any():
            return greedy(stats.count == 0)
        spread = np.where(stats.count > 1, stats.spread, stats.spread.max())
        return probability_of_best(stats.mean, self.width * spread / np.sqrt(stats.count))


def probability_of_best(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Returns the probability that each of some independent Gaussian variables is the largest.

    It is the integral of the variable's density times the distribution functions of the others.

    Args:
        mean: of each variable.
        deviation: the standard deviation of each; a variable of deviation 0 is a constant.
    """
    scale = float(deviation.max())
    if not scale > 0:
        return greedy(mean)
    deviation = np.maximum(deviation, 1e-3 * scale)  # a constant would make a jump
    values = mean[:, None] + deviation[:, None] * _NODES  # of each variable, at its own nodes
    z = (values[:, None, :] - mean[:, None]) / deviation[:, None]
    below = torch.special.ndtr(torch.from_numpy(z)).numpy()
    itself = np.arange(len(mean))
    below[itself, itself] = 1.0
    wins = below.prod(axis=1) @ _WEIGHTS
    return wins / wins.sum()
