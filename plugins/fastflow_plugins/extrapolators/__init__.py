"""Extrapolators: the velocities of skipped steps, predicted from the computed ones."""

from fastflow_plugins.extrapolators.fitted import Fitted
from fastflow_plugins.extrapolators.offset import Offset
from fastflow_plugins.extrapolators.polynomial import Linear, Nudge, Quadratic, Secant
from fastflow_plugins.extrapolators.spectrum import Spectrum

__all__ = [
    "Fitted",
    "Linear",
    "Nudge",
    "Offset",
    "Quadratic",
    "Secant",
    "Spectrum",
]
