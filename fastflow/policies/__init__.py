"""Policies decide which steps are computed; memories hold what they have learned."""

from fastflow.policies.arm_statistics import ArmStats, BanditMemory, check_rows, memory_of
from fastflow.policies.bandit import Bandit, greedy
from fastflow.policies.learning import Learning
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.policies.reward import Fixed, Normalised, Paper, Reward
from fastflow.policies.skip_length import SkipLength

__all__ = [
    "ArmStats",
    "Bandit",
    "BanditMemory",
    "Fixed",
    "Learning",
    "Memory",
    "Normalised",
    "Paper",
    "Policy",
    "Reward",
    "SkipLength",
    "check_rows",
    "greedy",
    "memory_of",
]
