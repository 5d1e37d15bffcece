"""Images, and the frames of clips, as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from fastflow.clip import Clip


def frames(output: Any) -> tuple[Image.Image, ...]:
    """Returns the frames of a clip; an image is one."""
    return output.frames if isinstance(output, Clip) else (output,)


def to_tensor(output: Any) -> torch.Tensor:
    """Returns an image or a clip as ``(F, 3, H, W)`` float32 between 0 and 1; an image has F=1."""
    pixels = np.stack([np.array(frame.convert("RGB")) for frame in frames(output)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
