"""Plans: which steps are computed, and with which weights, from recorded velocities."""

from fastflow.planning.arm_table import (
    PlanArm,
    arms_as_text,
    audit_time,
    challenger,
    halved,
    is_better,
    price,
    round_sizes,
)
from fastflow.planning.fitting import (
    RIDGE,
    Fit,
    FittedCoefficients,
    observed_grid,
    piecewise_linear,
)
from fastflow.planning.linear_plan import LinearPlan, PlannedCoefficients
from fastflow.planning.node_search import NodeSearch
from fastflow.planning.optimal_schedule import (
    OptimalSchedule,
    check_computed_steps,
    early_weight,
    reach,
)
from fastflow.planning.planner import EARLY, POWER, Planner, longest_gap
from fastflow.planning.polynomial import polynomial_plan
from fastflow.planning.refit import LiveProducts, refit
from fastflow.planning.schedule_search import CostsToGo

__all__ = [
    "EARLY",
    "POWER",
    "RIDGE",
    "CostsToGo",
    "Fit",
    "FittedCoefficients",
    "LinearPlan",
    "LiveProducts",
    "NodeSearch",
    "OptimalSchedule",
    "PlanArm",
    "PlannedCoefficients",
    "Planner",
    "arms_as_text",
    "audit_time",
    "challenger",
    "check_computed_steps",
    "early_weight",
    "halved",
    "is_better",
    "longest_gap",
    "observed_grid",
    "piecewise_linear",
    "polynomial_plan",
    "price",
    "reach",
    "refit",
    "round_sizes",
]
