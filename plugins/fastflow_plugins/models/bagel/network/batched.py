"""Velocities of several samples in one call of BAGEL's network, which is written for one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from fastflow_plugins.models.bagel.network.bagel_network import Network
from fastflow_plugins.models.bagel.network.context import Context, Segment

Shape = tuple[int, tuple[int, ...]]
"""The shape of a context: the position after it, and the number of tokens of each segment."""


def shape(context: Context) -> Shape:
    """Returns what contexts must have in common to be batched."""
    return context.position, tuple(len(segment.keys[0]) for segment in context.segments)


def velocities_at_once(
    network: Network, contexts: Sequence[Context], x: Tensor, t: Tensor, places: Tensor
) -> Tensor:
    """Calls the network on samples whose contexts have one shape.

    Args:
        network: the network, written for one sample; `torch.vmap` batches it.
        contexts: the context of each of B samples.
        x: latent tokens ``(B, N, 64)``.
        t: times ``(B,)``; 1 is noise.
        places: ``(N,)`` positions of the tokens in the network's table.

    Returns:
        The velocities ``(B, N, 64)``.
    """
    position, _ = shape(contexts[0])
    segments = [_stacked(parts) for parts in zip(*(c.segments for c in contexts), strict=True)]

    def one(x: Tensor, t: Tensor, kept: list[tuple[list[Tensor], list[Tensor]]]) -> Tensor:
        own = tuple(Segment(tuple(keys), tuple(values)) for keys, values in kept)
        return network.velocity(Context(own, position), x, t, places)

    with sdpa_kernel(SDPBackend.MATH):  # the other kernels do not work under vmap
        return torch.vmap(one)(x, t[:, None], segments)


def _stacked(segments: Sequence[Segment]) -> tuple[list[Tensor], list[Tensor]]:
    """Returns the keys and the values ``(B, L, H, D)`` of each layer."""
    layers = range(len(segments[0].keys))
    return (
        [torch.stack([segment.keys[i] for segment in segments]) for i in layers],
        [torch.stack([segment.values[i] for segment in segments]) for i in layers],
    )
