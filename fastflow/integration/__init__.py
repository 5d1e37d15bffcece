"""The mathematics: a loop over a time grid, extrapolation, correction, and feedback."""

from fastflow.integration.coefficients import Coefficients
from fastflow.integration.corrector import Corrector, NoCorrection
from fastflow.integration.episode import Episode, Scheme, StepContext, Unskipped
from fastflow.integration.extrapolator import Extrapolator, Reuse, lagrange
from fastflow.integration.feedback import Feedback, FeedbackSpec, Observation, Trajectory
from fastflow.integration.gram import MeanGram, from_lists, to_lists
from fastflow.integration.grid import Grid
from fastflow.integration.loop import flow

__all__ = [
    "Coefficients",
    "Corrector",
    "Episode",
    "Extrapolator",
    "Feedback",
    "FeedbackSpec",
    "Grid",
    "MeanGram",
    "NoCorrection",
    "Observation",
    "Reuse",
    "Scheme",
    "StepContext",
    "Trajectory",
    "Unskipped",
    "flow",
    "from_lists",
    "lagrange",
    "to_lists",
]
