"""The autoencoder of videos: 9 frames of 64x64 to 3 of 8x8 latents of about unit variance."""

# diffusers annotates its configurations wrongly:
# pyright: reportAttributeAccessIssue=false, reportOptionalSubscript=false, reportOperatorIssue=false

from __future__ import annotations

import re

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderKLHunyuanVideo

from fastflow_minis.models.hunyuan_video.hunyuan_video_recipe import HunyuanVideoRecipe
from fastflow_minis.training.image_autoencoder import train_autoencoder
from fastflow_minis.training.progress import ReportStep
from fastflow_plugins.models.bagel.checkpoint import groups

_MEASURED = 512


def hunyuan_video_autoencoder(recipe: HunyuanVideoRecipe) -> AutoencoderKLHunyuanVideo:
    """Returns an untrained AutoencoderKLHunyuanVideo: factor 8 in space and 4 in time."""
    return AutoencoderKLHunyuanVideo(
        latent_channels=recipe.latent_channels,
        block_out_channels=recipe.vae_channels,  # pyright: ignore[reportArgumentType]
        layers_per_block=1,
        norm_num_groups=groups(recipe.vae_channels),
        scaling_factor=1.0,
    )


def video_tensor(videos: torch.Tensor) -> torch.Tensor:
    """Turns 8-bit videos (B, F, H, W, 3) into the input (B, 3, F, H, W) in [-1, 1]."""
    return videos.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


@torch.no_grad()
def inflate(vae: AutoencoderKLHunyuanVideo, still: AutoencoderKL) -> None:
    """Gives an autoencoder of videos the weights of one of images, so that frames do not interact.

    A kernel over three frames gets the image's weights for the last of them, the current one, and
    0 for the two before (https://arxiv.org/abs/1705.07750 spreads them instead). Before halving
    the resolution, the image's encoder pads at the right and the bottom, the video's at the left
    and the top: each is the other rotated by 180 degrees. So every kernel is rotated, and a single
    frame's latents are those of the rotated image except at the borders, where the video's encoder
    repeats pixels.

    Args:
        vae: The autoencoder to change, in place.
        still: An autoencoder of images of the same channels.

    Raises:
        ValueError: Their channels differ.
    """
    channels, same = vae.config["block_out_channels"], still.config["block_out_channels"]
    if tuple(channels) != tuple(same):
        raise ValueError(
            f"`vae_channels` must be those of `start`, {', '.join(map(str, same))}, got "
            f"{', '.join(map(str, channels))}."
        )
    image_weights = still.state_dict()
    for name, weight in vae.state_dict().items():
        if "quant_conv" in name:  # FLUX's has none
            weight.copy_(torch.eye(len(weight)).view(weight.shape) if weight.ndim > 1 else 0)
            continue
        own = image_weights[re.sub(r"\.conv\.(weight|bias)$", r".\1", name)]
        if weight.ndim == own.ndim:
            weight.copy_(own)
        else:
            weight.zero_()
            weight[:, :, -1] = own.flip(-1, -2)


def train_video_autoencoder(
    vae: AutoencoderKLHunyuanVideo,
    videos: torch.Tensor,
    recipe: HunyuanVideoRecipe,
    progress: ReportStep,
) -> None:
    """Trains an autoencoder of videos in place.

    Args:
        vae: The autoencoder.
        videos: 8-bit videos (N, F, 64, 64, 3).
        recipe: Steps, batch and rates.
        progress: Called with a dictionary of numbers after every step.
    """
    device = next(vae.parameters()).device

    def draw(generator: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(len(videos), (recipe.vae_batch,), generator=generator)
        return video_tensor(videos[chosen].to(device)).contiguous()

    train_autoencoder(vae, draw, recipe, progress)


@torch.no_grad()
def encode_videos(
    vae: AutoencoderKLHunyuanVideo, videos: torch.Tensor, batch: int = 16
) -> torch.Tensor:
    """Encodes 8-bit videos (N, F, 64, 64, 3) into raw posterior means (N, C, F', 8, 8)."""
    device = next(vae.parameters()).device
    parts = videos.split(batch)
    return torch.cat(
        [vae.encode(video_tensor(p.to(device))).latent_dist.mean.cpu() for p in parts]
    )


def video_latents(vae: AutoencoderKLHunyuanVideo, videos: np.ndarray) -> torch.Tensor:
    """Encodes 8-bit videos (N, F, 64, 64, 3) into normalised latents (N, C, F', 8, 8)."""
    return encode_videos(vae, torch.from_numpy(videos)) * vae.config.scaling_factor


@torch.no_grad()
def normalise_video_latents(vae: AutoencoderKLHunyuanVideo, videos: torch.Tensor) -> None:
    """Makes the mean of every channel of the latents 0, and their joint variance 1.

    A HunyuanVideoPipeline has a scaling factor but no shift, so the means go into the one-pixel
    convolutions before and after the latents.

    Args:
        vae: A trained autoencoder.
        videos: 8-bit videos (N, F, 64, 64, 3); the first few hundred are enough.
    """
    raw = encode_videos(vae, videos[:_MEASURED])
    means = raw.mean(dim=(0, 2, 3, 4)).to(vae.quant_conv.weight.device)
    vae.quant_conv.bias[: len(means)] -= means
    weight = vae.post_quant_conv.weight[:, :, 0, 0, 0]
    vae.post_quant_conv.bias += weight @ means
    spread = (raw - means.cpu().view(-1, 1, 1, 1)).std().item()
    vae.register_to_config(scaling_factor=1 / spread)
