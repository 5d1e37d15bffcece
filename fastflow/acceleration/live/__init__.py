"""Live runs: calls of a pipeline that are repeated to try a plan."""

from fastflow.acceleration.live.repeatable import OUTPUT, Repeatable, takes
from fastflow.acceleration.live.trial_runs import (
    FullRun,
    following,
    reference_of,
    result_of,
    run_trials,
)
from fastflow.acceleration.live.tune import Tuned, Tuning
from fastflow.acceleration.live.tune_calls import Prompts, steps_of, tune_calls

__all__ = [
    "OUTPUT",
    "FullRun",
    "Prompts",
    "Repeatable",
    "Tuned",
    "Tuning",
    "following",
    "reference_of",
    "result_of",
    "run_trials",
    "steps_of",
    "takes",
    "tune_calls",
]
