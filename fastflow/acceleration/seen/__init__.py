"""What is seen of a pipeline while it runs, so that nothing about it has to be assumed."""

from fastflow.acceleration.seen.caller import Caller, callback_codes, callbacks_of
from fastflow.acceleration.seen.input_watch import (
    InputWatch,
    hidden_state,
    leaves,
    settings,
    takes_gradients,
)
from fastflow.acceleration.seen.run_begin import RunBegin
from fastflow.acceleration.seen.run_shapes import RunShape, RunShapes
from fastflow.acceleration.seen.scheduler_step import NOTHING, SchedulerStep, direction
from fastflow.acceleration.seen.scheduler_trial import draws_noise, option
from fastflow.acceleration.seen.sigma_place import SigmaPlace

__all__ = [
    "NOTHING",
    "Caller",
    "InputWatch",
    "RunBegin",
    "RunShape",
    "RunShapes",
    "SchedulerStep",
    "SigmaPlace",
    "callback_codes",
    "callbacks_of",
    "direction",
    "draws_noise",
    "hidden_state",
    "leaves",
    "option",
    "settings",
    "takes_gradients",
]
