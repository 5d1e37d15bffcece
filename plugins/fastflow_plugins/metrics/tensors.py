"""Images, and the frames of videos, as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from fastflow.sampling import Video


def frames(output: Any) -> tuple[Image.Image, ...]:
    """Returns the frames of a video; an image is one frame."""
    return output.frames if isinstance(output, Video) else (output,)


def to_tensor(output: Any) -> torch.Tensor:
    """Returns an image (F = 1) or a video as ``(F, 3, H, W)`` float32 between 0 and 1."""
    pixels = np.stack([np.array(frame.convert("RGB")) for frame in frames(output)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
