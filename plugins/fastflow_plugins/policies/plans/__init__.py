"""Policies that follow a plan: a whole schedule with its weights."""

from fastflow_plugins.policies.plans.bounded import Bounded
from fastflow_plugins.policies.plans.halving import Halving
from fastflow_plugins.policies.plans.plan import Plan
from fastflow_plugins.policies.plans.replan import Replan

__all__ = [
    "Bounded",
    "Halving",
    "Plan",
    "Replan",
]
