"""Models: one folder per family, and a Gaussian mixture whose velocity is exact."""

from fastflow_plugins.models.mixture import Mixture, MixtureFlow

__all__ = [
    "Mixture",
    "MixtureFlow",
]
