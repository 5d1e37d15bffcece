"""What every tiny pipeline goes through: the same weights each time, no dropout, no bar."""

import contextlib

import numpy as np
import torch
from diffusers import DiffusionPipeline, ModelMixin
from PIL import Image


@contextlib.contextmanager
def same_weights():
    """Draws the weights made inside from one seed and leaves the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def ready(pipe: DiffusionPipeline, dtype: torch.dtype) -> DiffusionPipeline:
    """Returns the pipeline as if loaded in a precision: evaluation mode, and no bar."""
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            _cast(part.eval(), dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _cast(part: torch.nn.Module, dtype: torch.dtype) -> None:
    """Casts what a file of weights holds, except what the class keeps in float32.

    Loading does so. `pipe.to(dtype)` casts all, which is another model: in Wan, for one,
    embedded times and norms stay in float32.
    """
    kept = set(part._keep_in_fp32_modules or ()) if isinstance(part, ModelMixin) else set()
    for name, tensor in part.state_dict(keep_vars=True).items():
        if tensor.is_floating_point() and kept.isdisjoint(name.split(".")):
            tensor.data = tensor.data.to(dtype)


def generator() -> torch.Generator:
    """Returns a fresh generator; a call of a pipeline spends it."""
    return torch.Generator("cpu").manual_seed(3)


def picture(height: int, width: int) -> Image.Image:
    """Returns an image of random pixels, always the same."""
    pixels = np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
