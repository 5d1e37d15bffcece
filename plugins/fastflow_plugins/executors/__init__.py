"""Executors: on which devices and in how many processes a run takes place."""

from fastflow_plugins.executors.inline import Inline
from fastflow_plugins.executors.lightning import Lightning

__all__ = [
    "Inline",
    "Lightning",
]
