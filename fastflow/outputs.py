"""Outputs in files: images as PNG, clips as mp4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from fastflow.clip import Clip

VIDEO = ".mp4"


def suffix(output: Any) -> str:
    """Returns the ending of the file that an output is kept in."""
    return VIDEO if isinstance(output, Clip) else ".png"


def keep(output: Any, path: Path) -> None:
    """Writes an output; what is neither image nor clip is left out."""
    if isinstance(output, Image.Image | Clip):
        output.save(path)
