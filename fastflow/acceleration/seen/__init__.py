"""What is seen of a pipeline while it runs, so that nothing about it has to be assumed."""

from fastflow.acceleration.seen.caller import Caller, callback_codes
from fastflow.acceleration.seen.input_watch import InputWatch, leaves, settings
from fastflow.acceleration.seen.run_begin import RunBegin
from fastflow.acceleration.seen.run_shapes import RunShape, RunShapes
from fastflow.acceleration.seen.scheduler_step import SchedulerStep, direction
from fastflow.acceleration.seen.scheduler_trial import draws_noise

__all__ = [
    "Caller",
    "InputWatch",
    "RunBegin",
    "RunShape",
    "RunShapes",
    "SchedulerStep",
    "callback_codes",
    "direction",
    "draws_noise",
    "leaves",
    "settings",
]
