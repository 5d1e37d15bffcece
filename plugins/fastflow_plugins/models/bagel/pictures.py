"""Pictures in BAGEL's form: their sizes, their pixels, their patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

TOKEN = 16  # pixels of a latent token's side
MOST_PIXELS = 9 * 1024 * 14 * 14


@dataclass(frozen=True)
class Sides:
    """Bounds the sides of a picture, all in pixels.

    Args:
        shortest: a picture with a shorter side is enlarged, if its other side allows it.
        longest: the longest that a side may be.
        multiple: both sides become multiples of it.
    """

    shortest: int
    longest: int
    multiple: int

    @classmethod
    def between(cls, sides: Sequence[int], multiple: int) -> Sides:
        """Returns the bounds for the pair of a shortest and a longest side."""
        shortest, longest = sides
        return cls(shortest, longest, multiple)

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Returns the width and height that a picture is resized to."""
        scale = max(
            min(self.longest / max(width, height), 1.0), self.shortest / min(width, height)
        )
        width, height = self._scaled(width, height, scale)
        if width * height > MOST_PIXELS:
            width, height = self._scaled(width, height, MOST_PIXELS / (width * height))
        if max(width, height) > self.longest:
            width, height = self._scaled(width, height, self.longest / max(width, height))
        return width, height

    def resize(self, picture: Image.Image) -> Image.Image:
        """Returns the picture in that size."""
        return picture.resize(self.fit(*picture.size), Image.Resampling.BICUBIC)

    def _scaled(self, width: int, height: int, scale: float) -> tuple[int, int]:
        step = self.multiple
        a, b = (max(step, round(round(side * scale) / step) * step) for side in (width, height))
        return a, b


def opaque(picture: Image.Image) -> Image.Image:
    """Returns a picture as RGB; transparent parts become white."""
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white


def pixel_values(picture: Image.Image) -> Tensor:
    """Returns the values ``(3, H, W)`` of a picture, -1 to 1."""
    values = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    return (values.float() / 255 - 0.5) / 0.5


def patches(x: Tensor, side: int) -> Tensor:
    """Cuts ``(C, H, W)`` into ``(H/side * W/side, side * side * C)``, row by row."""
    channels, height, width = x.shape
    cut = x.reshape(channels, height // side, side, width // side, side)
    return cut.permute(1, 3, 2, 4, 0).reshape(-1, side * side * channels)


def whole(tokens: Tensor, height: int, width: int, side: int) -> Tensor:
    """Reverses `patches`: ``(H/side * W/side, side * side * C)`` to ``(C, H, W)``."""
    cut = tokens.reshape(height // side, width // side, side, side, -1)
    return cut.permute(4, 0, 2, 1, 3).reshape(-1, height, width)


def picture(values: Tensor) -> Image.Image:
    """Returns a picture of values ``(3, H, W)``, -1 to 1."""
    grey = ((values * 0.5 + 0.5).clamp(0, 1) * 255).to(torch.uint8)
    return Image.fromarray(grey.permute(1, 2, 0).cpu().numpy())
