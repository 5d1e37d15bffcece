"""Observers: where a run is mirrored to while it goes on."""

from fastflow_plugins.observers.wandb import WandB

__all__ = [
    "WandB",
]
