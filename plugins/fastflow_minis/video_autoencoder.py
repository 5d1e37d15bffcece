"""The autoencoder of videos: 9 frames of 64x64 to 3 of 8x8 latents of about unit variance."""

# diffusers annotates its configurations wrongly:
# pyright: reportAttributeAccessIssue=false, reportOptionalSubscript=false, reportOperatorIssue=false

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKLHunyuanVideo

from fastflow_minis.autoencoder import fit
from fastflow_minis.recipes import HunyuanVideoRecipe

_MEASURED = 512
_GROUPS = 4


def autoencoder(recipe: HunyuanVideoRecipe) -> AutoencoderKLHunyuanVideo:
    """Returns an untrained AutoencoderKLHunyuanVideo: factor 8 in space and 4 in time."""
    return AutoencoderKLHunyuanVideo(
        latent_channels=recipe.latent_channels,
        block_out_channels=recipe.vae_channels,  # pyright: ignore[reportArgumentType]
        layers_per_block=1,
        norm_num_groups=_GROUPS,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def pixels(videos: torch.Tensor) -> torch.Tensor:
    """Turns 8-bit videos (B, F, H, W, 3) into what is encoded, (B, 3, F, H, W) in [-1, 1]."""
    return videos.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def train(
    vae: AutoencoderKLHunyuanVideo, videos: torch.Tensor, recipe: HunyuanVideoRecipe, progress
) -> None:
    """Trains an autoencoder of videos in place: on stills, on cuts of videos, on whole ones.

    A still costs a ninth of a video and teaches shapes and colours, a cut of half the side costs a
    quarter and teaches motion; the last steps get used to whole frames.

    Args:
        vae: What to train.
        videos: 8-bit videos (N, F, 64, 64, 3).
        recipe: Steps, batch and rates.
        progress: Called with a dictionary of numbers after every step.
    """
    device = next(vae.parameters()).device
    frames, whole = videos.shape[1], videos.shape[2]
    cuts = recipe.vae_steps - recipe.vae_stills - recipe.vae_whole
    sizes = iter([(1, whole)] * recipe.vae_stills + [(frames, recipe.vae_crop)] * cuts)

    def draw(generator: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(len(videos), (recipe.vae_batch,), generator=generator)
        length, side = next(sizes, (frames, whole))
        first, top, left = (
            int(torch.randint(room + 1, (), generator=generator))
            for room in (frames - length, whole - side, whole - side)
        )
        part = videos[chosen, first : first + length, top : top + side, left : left + side]
        return pixels(part.to(device)).contiguous()

    fit(vae, draw, recipe, progress)


@torch.no_grad()
def encode(vae: AutoencoderKLHunyuanVideo, videos: torch.Tensor, batch: int = 16) -> torch.Tensor:
    """Encodes 8-bit videos (N, F, 64, 64, 3) into raw posterior means (N, C, F', 8, 8)."""
    device = next(vae.parameters()).device
    parts = videos.split(batch)
    return torch.cat([vae.encode(pixels(p.to(device))).latent_dist.mean.cpu() for p in parts])


def latents(vae: AutoencoderKLHunyuanVideo, videos: np.ndarray) -> torch.Tensor:
    """Encodes 8-bit videos (N, F, 64, 64, 3) into normalised latents (N, C, F', 8, 8)."""
    return encode(vae, torch.from_numpy(videos)) * vae.config.scaling_factor


@torch.no_grad()
def normalise(vae: AutoencoderKLHunyuanVideo, videos: torch.Tensor) -> None:
    """Makes the mean of every channel of the latents 0 and the variance of all 1.

    A HunyuanVideoPipeline knows a scaling factor and no shift, so the means go into the
    convolutions on both sides of the latents, which are of one pixel.

    Args:
        vae: A trained autoencoder.
        videos: 8-bit videos (N, F, 64, 64, 3); the first few hundred are enough.
    """
    raw = encode(vae, videos[:_MEASURED])
    means = raw.mean(dim=(0, 2, 3, 4)).to(vae.quant_conv.weight.device)
    vae.quant_conv.bias[: len(means)] -= means
    weight = vae.post_quant_conv.weight[:, :, 0, 0, 0]
    vae.post_quant_conv.bias += weight @ means
    spread = (raw - means.cpu().view(-1, 1, 1, 1)).std().item()
    vae.register_to_config(scaling_factor=1 / spread)
