"""Models: one folder per family, and a mixture of Gaussians that is exact."""

from fastflow_plugins.models.mixture import Mixture, MixtureFlow

__all__ = [
    "Mixture",
    "MixtureFlow",
]
