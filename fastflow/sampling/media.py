"""Images and videos: what models decode to, and the files they are kept in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

_ENCODING = {"crf": "8", "threads": "1", "x264-params": "cpu-independent=1"}


@dataclass(frozen=True)
class Video:
    """A short video, what video models decode to.

    Args:
        frames: RGB images of one size, in their order; one or more.
        fps: frames per second.
    """

    frames: tuple[Image.Image, ...]
    fps: float

    def __post_init__(self):
        if not self.frames:
            raise ValueError("`frames` is empty: a clip has one frame or more.")
        if len({frame.size for frame in self.frames}) > 1:
            raise ValueError("`frames` must be of one size.")
        if not self.fps > 0:
            raise ValueError(f"`fps` must be more than 0, got {self.fps}.")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame, in pixels."""
        return self.frames[0].size

    def pixels(self) -> np.ndarray:
        """Returns the frames as ``(F, H, W, 3)``, uint8."""
        return np.stack([np.asarray(frame.convert("RGB")) for frame in self.frames])

    def save(self, path: Path) -> None:
        """Writes an mp4 (H.264, 4:2:0, nearly without loss), which every player shows.

        A last row or column is doubled where height or width is odd. The same frames give the same
        bytes: no time of writing is in it, and x264 works in one thread and the same on every
        processor (with AVX-512 it would write other bytes one time in twenty).
        """
        import av

        width, height = (side + side % 2 for side in self.size)
        rate = Fraction(self.fps).limit_denominator(1000)
        with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as file:
            stream = file.add_stream("libx264", rate=rate, options=_ENCODING)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for pixels in self.pixels():
                rows, columns = height - pixels.shape[0], width - pixels.shape[1]
                even = np.pad(pixels, ((0, rows), (0, columns), (0, 0)), mode="edge")
                file.mux(stream.encode(av.VideoFrame.from_ndarray(even)))
            file.mux(stream.encode())

    @classmethod
    def read(cls, path: Path) -> Video:
        """Reads a video file.

        Raises:
            OSError: if there is no such file.
            ValueError: if it is no video, or is damaged.
        """
        import av

        with av.open(str(path)) as file:
            if not file.streams.video:
                raise ValueError(f"{path} holds no video.")
            rate = file.streams.video[0].average_rate or 1
            return cls(tuple(_images(file)), float(rate))


def _images(file) -> Iterator[Image.Image]:
    for frame in file.decode(video=0):
        yield frame.to_image()


VIDEO = ".mp4"


def suffix(output: Any) -> str:
    """Returns the ending of the file that an output is kept in."""
    return VIDEO if isinstance(output, Video) else ".png"


def keep(output: Any, path: Path) -> None:
    """Writes an output; what is neither image nor clip is left out."""
    if isinstance(output, Image.Image | Video):
        output.save(path)


def read_image(path: Path) -> Image.Image:
    """Reads a picture as RGB, upright.

    Raises:
        ValueError: if there is none, or it cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"`image` {str(path)!r} does not exist. Give a PNG, JPEG or WebP file.")
    return decode_image(path, f"`image` {str(path)!r}")


def decode_image(source: Path | BytesIO, name: str) -> Image.Image:
    """Reads a picture from a file or from bytes as RGB, upright.

    Raises:
        ValueError: if it cannot be read; the message begins with ``name``.
    """
    try:
        with Image.open(source) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error}.") from error
