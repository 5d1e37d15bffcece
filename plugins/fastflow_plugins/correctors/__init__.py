"""Correctors: what is done about skipped steps once the model is called again."""

from fastflow_plugins.correctors.interpolate import Interpolate

__all__ = [
    "Interpolate",
]
