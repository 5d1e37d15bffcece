"""Uniformly random skip lengths: the baseline every bandit has to beat."""

from dataclasses import dataclass

from fastflow.policy import SkipLength


@dataclass(frozen=True, kw_only=True)
class RandomArms(SkipLength):
    """Draws each feasible arm with the same probability."""

    def probabilities(self, arms, now, memory):
        return [1 / len(arms)] * len(arms)
