"""Plans: which steps are computed, and with which weights, from recorded velocities."""

from fastflow.planning.fitting import (
    RIDGE,
    Fit,
    FittedCoefficients,
    observed_grid,
    piecewise_linear,
)
from fastflow.planning.linear_plan import LinearPlan, PlannedCoefficients
from fastflow.planning.node_search import NodeSearch
from fastflow.planning.optimal_schedule import OptimalSchedule, check_computed_steps, reach
from fastflow.planning.planner import Planner, longest_gap
from fastflow.planning.polynomial import polynomial_plan

__all__ = [
    "RIDGE",
    "Fit",
    "FittedCoefficients",
    "LinearPlan",
    "NodeSearch",
    "OptimalSchedule",
    "PlannedCoefficients",
    "Planner",
    "check_computed_steps",
    "longest_gap",
    "observed_grid",
    "piecewise_linear",
    "polynomial_plan",
    "reach",
]
