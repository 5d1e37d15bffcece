"""Images and videos as data URIs, small enough that a page of many stays light."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fastflow.report.clips import gif
from fastflow.sampling.media import VIDEO

LARGEST = 512  # pixels of the longer side
PAGE = 5_500_000  # bytes for all images of a page, before base64 makes them a third larger
_TRIES = ((512, 88), (512, 78), (384, 78), (256, 75), (192, 70))


@dataclass(frozen=True)
class Picture:
    """An image inside the page.

    Args:
        uri: the data URI.
        width: pixels.
        height: pixels.
    """

    uri: str
    width: int
    height: int


def embed(path: Path, budget: int) -> Picture | None:
    """Reads an image or a video and returns it for the page, or None where it cannot be read.

    Args:
        path: the file.
        budget: bytes it should not exceed; met by a smaller size and quality, down to 192 pixels.
    """
    if path.suffix == VIDEO:
        found = gif(path, budget)
        return found and _picture(found[0], "gif", found[1])
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    image.thumbnail((LARGEST, LARGEST), reducing_gap=2.0)
    plain = image.getcolors(4096) is not None  # drawings and tiny images; photographs only grow
    data, kind = _encoded(image, "PNG", optimize=True) if plain else b"", "png"
    if not plain or len(data) > min(budget, 24_000):
        kind = "jpeg"
        for side, quality in _TRIES:
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
