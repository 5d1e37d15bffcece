"""Clips as looping GIFs, which play on a page without a player and without a network."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fastflow.sampling.media import Clip

TRIES = ((320, 1), (256, 1), (192, 2), (160, 3), (128, 4), (96, 6))
"""Longest sides in pixels, and of how many frames one is shown: from fine to coarse."""


def gif(path: Path, budget: int) -> tuple[bytes, tuple[int, int]] | None:
    """Reads a video and returns it as a GIF with its size, or None where it cannot be read.

    Args:
        path: a video file.
        budget: bytes it should not exceed; met by smaller and by fewer frames at the same speed.
    """
    try:
        clip = Clip.read(path)
    except (OSError, ValueError):
        return None
    data, size = b"", clip.size
    for side, stride in TRIES:
        frames = [frame.copy() for frame in clip.frames[::stride]]
        for frame in frames:
            frame.thumbnail((side, side))
        data, size = _encoded(frames, stride / clip.fps), frames[0].size
        if len(data) <= budget:
            break
    return data, size


def _encoded(frames: Sequence[Image.Image], seconds: float) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=list(frames[1:]),
        duration=round(1000 * seconds),
        loop=0,
    )
    return buffer.getvalue()
