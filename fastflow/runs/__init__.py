"""One run, one directory: prompts in; samples, decisions, numbers and a report out."""

from fastflow.runs.calibration import calibrate
from fastflow.runs.run import run

__all__ = [
    "calibrate",
    "run",
]
