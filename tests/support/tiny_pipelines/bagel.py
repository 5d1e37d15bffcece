"""A BAGEL of small random weights in the official layout, and what BAGEL's own code made of it."""

import functools
import hashlib
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file

from fastflow_plugins.models.bagel import Bagel
from fastflow_plugins.models.bagel.bagel_flow import BagelFlow
from fastflow_plugins.models.bagel.checkpoint import load_parts

DATA = Path(__file__).parents[2] / "data" / "bagel"
FOLDER = DATA / "checkpoint"
SIZE = {"height": 64, "width": 96, "image_sides": (32, 64), "view_sides": (28, 56)}
EDIT = {"interval": (0.0, 1.0), "renormalisation": "text_channel"}


def recipe(**options) -> Bagel:
    """Returns the recipe of the small model."""
    return Bagel(**{"path": str(FOLDER), **SIZE} | options)


@functools.cache
def parts(dtype=torch.float32):
    """Loads the small model once."""
    return load_parts(str(FOLDER), torch.device("cpu"), dtype)


def model(dtype=torch.float32, **options) -> BagelFlow:
    """Returns the small model with other settings."""
    return BagelFlow(parts(dtype), recipe(**options))


def reference() -> Image.Image:
    """Returns the picture that the recorded edits begin with."""
    return Image.open(DATA / "reference.png")


def trace(name: str, dtype=torch.float32) -> dict[str, torch.Tensor]:
    """Returns a recording: times ``t``, states ``x`` and velocities ``v`` there, the ``image``."""
    ending = "bf16" if dtype is torch.bfloat16 else "fp32"
    return load_file(DATA / f"{name}-{ending}.safetensors")


def digest(x: torch.Tensor) -> str:
    """Returns a short name of a tensor's bits."""
    return hashlib.sha256(x.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()[:12]
