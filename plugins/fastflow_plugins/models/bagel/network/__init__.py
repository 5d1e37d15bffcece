"""BAGEL's network: it reads texts and images into a context and computes velocities from it."""

from fastflow_plugins.models.bagel.network.bagel_network import LATENT, Markers, Network
from fastflow_plugins.models.bagel.network.batched import shape, velocities_at_once
from fastflow_plugins.models.bagel.network.context import Context, Segment
from fastflow_plugins.models.bagel.network.embeddings import on_grid

__all__ = [
    "LATENT",
    "Context",
    "Markers",
    "Network",
    "Segment",
    "on_grid",
    "shape",
    "velocities_at_once",
]
