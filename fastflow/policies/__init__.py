"""Policies decide which steps are computed; memories hold what they have learned."""

from fastflow.policies.arm_statistics import ArmStats, BanditMemory, check_rows, memory_of
from fastflow.policies.bandit import Bandit, greedy
from fastflow.policies.learning import Learning
from fastflow.policies.memory import Memory, checked_count, checked_numbers
from fastflow.policies.policy import Policy
from fastflow.policies.reward import Drift, Fixed, Normalised, Paper, Reward
from fastflow.policies.skip_length import SkipLength
from fastflow.policies.targets import (
    FEWEST_COMPUTED,
    QUALITIES,
    Target,
    Targeted,
    aimed,
    resolved,
)
from fastflow.policies.trials import Follow, FollowEach, FollowedPlan, Trial, TrialResult, Trials

__all__ = [
    "FEWEST_COMPUTED",
    "QUALITIES",
    "ArmStats",
    "Bandit",
    "BanditMemory",
    "Drift",
    "Fixed",
    "Follow",
    "FollowEach",
    "FollowedPlan",
    "Learning",
    "Memory",
    "Normalised",
    "Paper",
    "Policy",
    "Reward",
    "SkipLength",
    "Target",
    "Targeted",
    "Trial",
    "TrialResult",
    "Trials",
    "aimed",
    "check_rows",
    "checked_count",
    "checked_numbers",
    "greedy",
    "memory_of",
    "resolved",
]
