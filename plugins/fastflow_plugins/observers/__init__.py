"""Observers: services that a run is mirrored to while it is in progress."""

from fastflow_plugins.observers.wandb import WandB

__all__ = [
    "WandB",
]
