"""A run: from prompts to a directory with samples, decisions, numbers and a report."""

from fastflow.runs.calibration import calibrate
from fastflow.runs.directory import RunDirectory
from fastflow.runs.resuming.lock import locked
from fastflow.runs.run import run
from fastflow.runs.run_settings import RunSettings

__all__ = [
    "RunDirectory",
    "RunSettings",
    "calibrate",
    "locked",
    "run",
]
