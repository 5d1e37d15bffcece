"""The context that BAGEL has read so far: keys and values, shared by all that continue it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """Holds the keys and values of one text or image that was read.

    Args:
        keys: per layer ``(L, H, D)``, rotated to their positions.
        values: per layer ``(L, H, D)``.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]


@dataclass(frozen=True)
class Context:
    """Holds segments in reading order; they never change, so guidance branches share them.

    Args:
        segments: the texts and images that were read.
        position: the rotary position of the next token; a word advances it by one, and so does a
            whole image.
    """

    segments: tuple[Segment, ...] = ()
    position: int = 0

    def extended(self, segment: Segment, by: int) -> Context:
        """Returns the context after one more segment, which takes ``by`` positions."""
        return Context((*self.segments, segment), self.position + by)

    def before(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Returns a layer's keys and values, those of the context before them."""
        if not self.segments:
            return k, v
        return (
            torch.cat([*(s.keys[layer] for s in self.segments), k]),
            torch.cat([*(s.values[layer] for s in self.segments), v]),
        )
