"""BAGEL's autoencoder, FLUX's: diffusers' AutoencoderKL with the weights of ae.safetensors."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SCALE, SHIFT = 0.3611, 0.1159


def load_autoencoder(file: Path, weights: dict[str, Tensor]) -> Any:
    """Builds the autoencoder from a file's weights, which also determine its shape.

    Args:
        file: the file, for the message.
        weights: its content, under the official names.

    Raises:
        ValueError: naming the file, if the weights are not those of FLUX's autoencoder.
    """
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    try:
        with torch.device("meta"):
            model = AutoencoderKL(**_shape(weights))
        named = convert_ldm_vae_checkpoint(weights, model.config)
        model.load_state_dict(named, assign=True)
    except (KeyError, ValueError, RuntimeError, ZeroDivisionError) as error:
        words = " ".join(str(error).split())
        raise ValueError(
            f"the weights {file} are not those of FLUX's autoencoder, which BAGEL uses "
            f"({type(error).__name__}: {words[:200]}). Take ae.safetensors from BAGEL's "
            "repository."
        ) from error
    return model.eval()


def _shape(weights: dict[str, Tensor]) -> dict[str, Any]:
    """Reads the autoencoder's shape off its weights."""
    levels = _along(weights, "encoder.down.{}.block.0.conv1.weight")
    channels = tuple(len(weight) for weight in levels)
    return {
        "block_out_channels": channels,
        "layers_per_block": len(_along(weights, "encoder.down.0.block.{}.conv1.weight")),
        "latent_channels": weights["decoder.conv_in.weight"].shape[1],
        "norm_num_groups": groups(channels),
        "down_block_types": ("DownEncoderBlock2D",) * len(levels),
        "up_block_types": ("UpDecoderBlock2D",) * len(levels),
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "scaling_factor": SCALE,
        "shift_factor": SHIFT,
    }


def groups(channels: tuple[int, ...]) -> int:
    """Returns the number of normalisation groups: FLUX's 32, or for few channels half as many."""
    return 32 if channels[0] >= 32 else channels[0] // 2


def encode_latents(model: Any, values: Tensor, generator: torch.Generator) -> Tensor:
    """Draws latents ``(16, H/8, W/8)`` of pixels ``(3, H, W)``; the noise is drawn on the CPU."""
    spread = model.encode(values[None]).latent_dist
    noise = torch.randn(spread.mean.shape, generator=generator, dtype=spread.mean.dtype)
    z = spread.mean + torch.exp(0.5 * spread.logvar) * noise.to(spread.mean.device)
    return (SCALE * (z - SHIFT))[0]


def decode_latents(model: Any, z: Tensor) -> Tensor:
    """Returns the pixels ``(3, H, W)`` of latents ``(16, H/8, W/8)``."""
    return model.decode(z[None] / SCALE + SHIFT).sample[0]


def _along(weights: dict[str, Tensor], name: str) -> list[Tensor]:
    """Returns the weights of a numbered name: 0, 1, 2 and so on, up to the first missing one."""
    found = []
    for i in count():
        if name.format(i) not in weights:
            return found
        found.append(weights[name.format(i)])
    return found
