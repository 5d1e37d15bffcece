"""Targets: how much to compute, and policies that keep to it."""

from fastflow.policies.targets.target import FEWEST_COMPUTED, QUALITIES, Target
from fastflow.policies.targets.targeted import Targeted, aimed, resolved

__all__ = ["FEWEST_COMPUTED", "QUALITIES", "Target", "Targeted", "aimed", "resolved"]
