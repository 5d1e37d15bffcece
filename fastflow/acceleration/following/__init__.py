"""The push driver: follows the denoising runs of somebody else's pipeline."""

from fastflow.acceleration.following import reasons
from fastflow.acceleration.following.denoising_run import DenoisingRun, FirstStep
from fastflow.acceleration.following.pipeline_call import Call
from fastflow.acceleration.following.session import Session

__all__ = ["Call", "DenoisingRun", "FirstStep", "Session", "reasons"]
