"""Policies: which steps are computed and which are skipped."""

from fastflow_plugins.policies.bandits import (
    UCB,
    EpsilonGreedy,
    Path,
    RandomArms,
    Released,
    Thompson,
)
from fastflow_plugins.policies.equal_change import EqualChange
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.plans import Bounded, Halving, Plan, Replan
from fastflow_plugins.policies.published import (
    BAG,
    Change,
    EasyCache,
    FlowCast,
    GrowingGaps,
    SeaCache,
    StepMask,
    TeaCache,
    changes,
    relative_change,
)
from fastflow_plugins.policies.static import Every, Listed, Piecewise, Schedule, Uniform

__all__ = [
    "BAG",
    "UCB",
    "Bounded",
    "Change",
    "EasyCache",
    "EpsilonGreedy",
    "EqualChange",
    "Every",
    "FlowCast",
    "GrowingGaps",
    "Halving",
    "Listed",
    "Never",
    "Path",
    "Piecewise",
    "Plan",
    "RandomArms",
    "Released",
    "Replan",
    "Schedule",
    "SeaCache",
    "StepMask",
    "TeaCache",
    "Thompson",
    "Uniform",
    "changes",
    "relative_change",
]
