"""Images and videos: the outputs of models, and the files that hold them."""

from __future__ import annotations

import struct
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
    """Holds a short video, the output of a video model.

    Args:
        frames: RGB images of one size, in order of time; at least one.
        fps: frames per second.

    Raises:
        ValueError: if there is no frame, the sizes differ, or `fps` is not positive.
    """

    frames: tuple[Image.Image, ...]
    fps: float

    def __post_init__(self):
        if not self.frames:
            raise ValueError("`frames` is empty: a video has one frame or more.")
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
        """Writes an mp4 (H.264, 4:2:0, nearly lossless) that every player can show.

        If height or width is odd, the last row or column is repeated. The same frames give the
        same bytes: the file has no time stamp, and x264 runs in one thread and without
        instructions that only some processors have (with AVX-512 one file in twenty would differ).
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
            ValueError: if it is not a video, or is damaged.
        """
        import av

        with av.open(str(path)) as file:
            if not file.streams.video:
                raise ValueError(f"{path} does not contain a video.")
            rate = file.streams.video[0].average_rate or 1
            return cls(tuple(_images(file)), float(rate))


def _images(file) -> Iterator[Image.Image]:
    for frame in file.decode(video=0):
        yield frame.to_image()


VIDEO = ".mp4"


def suffix(output: Any) -> str:
    """Returns the suffix of the file in which an output is stored."""
    return VIDEO if isinstance(output, Video) else ".png"


def keep(output: Any, path: Path) -> None:
    """Writes an output to a file, if it is an image or a video."""
    if isinstance(output, Image.Image | Video):
        output.save(path)


def read_image(path: Path) -> Image.Image:
    """Reads an image file as RGB, upright.

    Raises:
        ValueError: if the file does not exist or cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"`image` {str(path)!r} does not exist. Give a PNG, JPEG or WebP file.")
    return decode_image(path, f"`image` {str(path)!r}")


def decode_image(source: Path | BytesIO, name: str) -> Image.Image:
    """Decodes an image from a file or from bytes as RGB, upright.

    Raises:
        ValueError: if it cannot be decoded; the message begins with ``name``.
    """
    try:
        with Image.open(source) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} has too many pixels. Make it smaller.") from error
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise ValueError(
            f"{name} cannot be read: it is damaged, or is no PNG, JPEG or WebP file."
        ) from error
