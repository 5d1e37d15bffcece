"""Correctors: they correct the position at a landing, for the error of the skipped steps."""

from fastflow_plugins.correctors.interpolate import Interpolate

__all__ = [
    "Interpolate",
]
