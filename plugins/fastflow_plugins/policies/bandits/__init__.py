"""Policies that draw skip lengths: bandits, which learn them, and their baseline."""

from fastflow_plugins.policies.bandits.epsilon_greedy import EpsilonGreedy
from fastflow_plugins.policies.bandits.path import Path
from fastflow_plugins.policies.bandits.random_arms import RandomArms
from fastflow_plugins.policies.bandits.released import Released
from fastflow_plugins.policies.bandits.thompson import Thompson
from fastflow_plugins.policies.bandits.ucb import UCB

__all__ = [
    "UCB",
    "EpsilonGreedy",
    "Path",
    "RandomArms",
    "Released",
    "Thompson",
]
