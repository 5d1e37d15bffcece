"""Extrapolators: the velocities of skipped steps, predicted from the computed ones."""

from fastflow_plugins.extrapolators.fitted import Fitted
from fastflow_plugins.extrapolators.polynomial import Linear, Nudge, Quadratic

__all__ = [
    "Fitted",
    "Linear",
    "Nudge",
    "Quadratic",
]
