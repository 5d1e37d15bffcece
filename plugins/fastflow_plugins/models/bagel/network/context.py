"""What BAGEL has read so far: keys and values, shared by everything that continues from there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """One text or image that was read.

    Args:
        keys: per layer ``(L, H, D)``, rotated to their positions.
        values: per layer ``(L, H, D)``.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]


@dataclass(frozen=True)
class Context:
    """Segments in the order of reading; nothing changes them, so branches share what is the same.

    Args:
        segments: what was read.
        position: the rotary position of what comes next: a word moves it on by one, and so does
            a whole image.
    """

    segments: tuple[Segment, ...] = ()
    position: int = 0

    def extended(self, segment: Segment, by: int) -> Context:
        """Returns the context after one more segment, which took so many positions."""
        return Context((*self.segments, segment), self.position + by)

    def before(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Returns a layer's keys and values with those of the context in front of them."""
        if not self.segments:
            return k, v
        return (
            torch.cat([*(s.keys[layer] for s in self.segments), k]),
            torch.cat([*(s.values[layer] for s in self.segments), v]),
        )
