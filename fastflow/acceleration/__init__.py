"""Step skipping inside an existing pipeline."""

from fastflow.acceleration.accelerated_pipeline import AcceleratedPipeline
from fastflow.acceleration.accelerator import Accelerator
from fastflow.acceleration.enable import enable
from fastflow.acceleration.following.pipeline_call import Call
from fastflow.acceleration.following.session import Session
from fastflow.acceleration.interception import attach, detach, interceptors_of, own_class
from fastflow.acceleration.memory_store import MemoryStore
from fastflow.acceleration.probes import probe
from fastflow.acceleration.stats import CallStats, Stats

__all__ = [
    "AcceleratedPipeline",
    "Accelerator",
    "Call",
    "CallStats",
    "MemoryStore",
    "Session",
    "Stats",
    "attach",
    "detach",
    "enable",
    "interceptors_of",
    "own_class",
    "probe",
]
