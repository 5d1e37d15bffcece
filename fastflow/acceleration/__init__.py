"""Step skipping inside somebody else's pipeline."""

from fastflow.acceleration.enable import enable
from fastflow.acceleration.interception import attach, detach, own_class
from fastflow.acceleration.probes import probe

__all__ = [
    "attach",
    "detach",
    "enable",
    "own_class",
    "probe",
]
