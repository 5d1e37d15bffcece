"""Velocities of several samples in one call of BAGEL's network, written for one sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from fastflow_plugins.models.bagel.network.bagel_network import Network
from fastflow_plugins.models.bagel.network.context import Context, Segment

Shape = tuple[int, tuple[int, ...]]
"""Of a context: the position after it, and how many tokens each of its segments has."""


def shape(context: Context) -> Shape:
    """Returns what contexts must have in common to be read together."""
    return context.position, tuple(len(segment.keys[0]) for segment in context.segments)


def velocities_at_once(
    network: Network, contexts: Sequence[Context], x: Tensor, t: Tensor, places: Tensor
) -> Tensor:
    """Calls the network on samples whose contexts have one shape.

    Args:
        network: it draws one sample; `torch.vmap` makes that a batch.
        contexts: what was read, B of them.
        x: latent tokens ``(B, N, 64)``.
        t: times ``(B,)``, 1 is noise.
        places: ``(N,)`` of the tokens in the network's table.

    Returns:
        The velocities ``(B, N, 64)``.
    """
    position, _ = shape(contexts[0])
    segments = [_stacked(parts) for parts in zip(*(c.segments for c in contexts), strict=True)]

    def one(x: Tensor, t: Tensor, kept: list[tuple[list[Tensor], list[Tensor]]]) -> Tensor:
        read = tuple(Segment(tuple(keys), tuple(values)) for keys, values in kept)
        return network.velocity(Context(read, position), x, t, places)

    with sdpa_kernel(SDPBackend.MATH):  # the others are not vectorised
        return torch.vmap(one)(x, t[:, None], segments)


def _stacked(segments: Sequence[Segment]) -> tuple[list[Tensor], list[Tensor]]:
    """Returns the keys and the values ``(B, L, H, D)`` of each layer."""
    layers = range(len(segments[0].keys))
    return (
        [torch.stack([segment.keys[i] for segment in segments]) for i in layers],
        [torch.stack([segment.values[i] for segment in segments]) for i in layers],
    )
