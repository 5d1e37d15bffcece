"""Random skip lengths: the baseline every bandit must beat."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastflow.integration import StepContext
from fastflow.policies import Memory, SkipLength


@dataclass(frozen=True, kw_only=True)
class RandomArms(SkipLength):
    """Draws each feasible arm with the same probability, or with a geometric one.

    Args:
        arms: the numbers of skipped steps to choose from.
        pace: the probability of arm m is proportional to ``pace ** m``; 1 is uniform, smaller
            values favour short skips, larger values long ones.
    """

    pace: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.pace < math.inf:
            raise ValueError(f"`pace` must be above 0, got {self.pace}.")

    def arm_probabilities(
        self, arms: Sequence[int], context: StepContext, memory: Memory
    ) -> list[float]:
        longest = max(arms)
        # relative to the largest weight, so that powers do not overflow
        weights = [self.pace ** (m - longest if self.pace > 1 else m) for m in arms]
        return [w / sum(weights) for w in weights]
