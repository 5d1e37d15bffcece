"""Published rules that plan a whole schedule before the run, written anew from the papers."""

from fastflow_plugins.methods.published.bud_cache import BudCache
from fastflow_plugins.methods.published.dp_cache import DPCache
from fastflow_plugins.methods.published.lemica import LeMiCa
from fastflow_plugins.methods.published.linear_schedule import (
    Scheduled,
    gram_of_tuning,
    grid_of,
    states,
)
from fastflow_plugins.methods.published.mean_cache import MeanCache
from fastflow_plugins.methods.published.optimal_steps import OptimalSteps

__all__ = [
    "BudCache",
    "DPCache",
    "LeMiCa",
    "MeanCache",
    "OptimalSteps",
    "Scheduled",
    "gram_of_tuning",
    "grid_of",
    "states",
]
