"""Images and videos as data URIs, small enough that a page of many stays light."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fastflow.sampling.media import VIDEO, Video

LARGEST = 512  # pixels of the longer side
PAGE = 5_500_000  # bytes for all images of a page, before base64 makes them a third larger
_JPEG_TRIES = ((512, 88), (512, 78), (384, 78), (256, 75), (192, 70))  # longer side, quality
_GIF_TRIES = ((320, 1), (256, 1), (192, 2), (160, 3), (128, 4), (96, 6))  # longer side, stride


@dataclass(frozen=True)
class Picture:
    """An image embedded in the page.

    Args:
        uri: the data URI.
        width: in pixels.
        height: in pixels.
    """

    uri: str
    width: int
    height: int


def embed(path: Path, budget: int) -> Picture | None:
    """Reads an image or a video and returns it for the page; None if it cannot be read.

    Args:
        path: the file.
        budget: the bytes it should not exceed; met by reducing size and quality, down to 192
            pixels.
    """
    if path.suffix == VIDEO:
        video = gif(path, budget)
        return video and _picture(video[0], "gif", video[1])
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    image.thumbnail((LARGEST, LARGEST), reducing_gap=2.0)
    plain = (
        image.getcolors(4096) is not None
    )  # PNG suits drawings and tiny images, not photographs
    data, kind = _encoded(image, "PNG", optimize=True) if plain else b"", "png"
    if not plain or len(data) > min(budget, 24_000):
        kind = "jpeg"
        for side, quality in _JPEG_TRIES:
            image.thumbnail((side, side))
            data = _encoded(image, "JPEG", quality=quality, optimize=True)
            if len(data) <= budget:
                break
    return _picture(data, kind, image.size)


def _picture(data: bytes, kind: str, size: tuple[int, int]) -> Picture:
    text = base64.b64encode(data).decode("ascii")
    return Picture(f"data:image/{kind};base64,{text}", *size)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def gif(path: Path, budget: int) -> tuple[bytes, tuple[int, int]] | None:
    """Reads a video and returns it as a GIF with its size; None if it cannot be read.

    Args:
        path: a video file.
        budget: the bytes it should not exceed; met by smaller and fewer frames at the same speed.
    """
    try:
        video = Video.read(path)
    except (OSError, ValueError):
        return None
    data, size = b"", video.size
    for side, stride in _GIF_TRIES:
        frames = [frame.copy() for frame in video.frames[::stride]]
        for frame in frames:
            frame.thumbnail((side, side))
        data, size = _as_gif(frames, stride / video.fps), frames[0].size
        if len(data) <= budget:
            break
    return data, size


def _as_gif(frames: Sequence[Image.Image], seconds: float) -> bytes:
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
