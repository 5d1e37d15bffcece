"""Executors: the devices and processes that a run uses."""

from fastflow_plugins.executors.inline import Inline
from fastflow_plugins.executors.lightning import Lightning

__all__ = [
    "Inline",
    "Lightning",
]
