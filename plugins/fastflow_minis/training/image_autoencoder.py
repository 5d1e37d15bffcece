"""Training of autoencoders, of images or of videos, and encoding of images."""

# diffusers and transformers annotate these calls wrongly:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional as F

from fastflow_minis.training.progress import ReportStep
from fastflow_minis.training.recipe import AutoencoderParts

_MEASURED = 4_096


def image_tensor(images: torch.Tensor) -> torch.Tensor:
    """Turns 8-bit images (B, 64, 64, 3) into the autoencoder's input (B, 3, 64, 64) in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def train_image_autoencoder(
    vae: AutoencoderKL, images: torch.Tensor, recipe: AutoencoderParts, progress: ReportStep
) -> None:
    """Trains an autoencoder of images in place.

    Args:
        vae: The autoencoder.
        images: 8-bit images (N, 64, 64, 3).
        recipe: Steps, batch and rates.
        progress: Called with a dictionary of numbers after every step.
    """
    device = next(vae.parameters()).device

    def draw(generator: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(len(images), (recipe.vae_batch,), generator=generator)
        return image_tensor(images[chosen].to(device)).contiguous(
            memory_format=torch.channels_last
        )

    vae.to(memory_format=torch.channels_last)
    train_autoencoder(vae, draw, recipe, progress)
    vae.to(memory_format=torch.contiguous_format)


def train_autoencoder(
    vae: Any,
    draw: Callable[[torch.Generator], torch.Tensor],
    recipe: AutoencoderParts,
    progress: ReportStep,
) -> None:
    """Trains an autoencoder in place on L1 + MSE + a small KL term.

    Args:
        vae: The autoencoder, of images or videos.
        draw: Draws a batch of inputs, from -1 to 1.
        recipe: Steps and rates.
        progress: Called with a dictionary of numbers after every step.
    """

    def loss(generator: torch.Generator) -> LossAndNumbers:
        x = draw(generator)
        latent = vae.encode(x).latent_dist
        y = vae.decode(latent.sample()).sample
        kl = latent.kl().mean() / latent.mean[0].numel()
        mse = F.mse_loss(y, x)
        total = F.l1_loss(y, x) + mse + recipe.kl_weight * kl
        return total, {"kl": kl.item(), "psnr": psnr_of_mse(mse.item())}

    minimise(vae, loss, recipe.vae_steps, recipe.vae_rate, recipe.seed, progress)


LossAndNumbers = tuple[torch.Tensor, dict[str, float]]
"""The loss to minimise, and numbers to show."""


def minimise(
    module: nn.Module,
    loss: Callable[[torch.Generator], LossAndNumbers],
    steps: int,
    rate: float,
    seed: int,
    progress: ReportStep,
) -> None:
    """Minimises a loss with AdamW and a one-cycle learning rate.

    Args:
        module: The module, trained in place; left in evaluation mode.
        loss: Draws a batch and returns its loss.
        steps: Optimiser steps.
        rate: The highest learning rate.
        seed: Seed of the batches.
        progress: Called with a dictionary of numbers after every step.
    """
    module.train()
    optimiser = torch.optim.AdamW(module.parameters(), rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, steps, pct_start=0.1, cycle_momentum=False
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        total, numbers = loss(generator)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        progress({"loss": total.item(), **numbers})
    module.eval()


def psnr_of_mse(mse: float) -> float:
    """Turns a mean squared error of values in [-1, 1] into decibels."""
    return 10 * torch.log10(torch.tensor(4.0 / max(mse, 1e-12))).item()


@torch.no_grad()
def encode_images(vae: AutoencoderKL, images: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """Encodes 8-bit images (N, 64, 64, 3) into raw posterior means (N, C, 16, 16)."""
    device = next(vae.parameters()).device
    vae.to(memory_format=torch.channels_last)
    parts = (
        vae.encode(image_tensor(part.to(device))).latent_dist.mean for part in images.split(batch)
    )
    latents = torch.cat([part.cpu().contiguous() for part in parts])
    vae.to(memory_format=torch.contiguous_format)
    return latents


def image_latents(vae: AutoencoderKL, images: np.ndarray) -> torch.Tensor:
    """Encodes 8-bit images (N, 64, 64, 3) into normalised latents (N, C, 16, 16)."""
    raw = encode_images(vae, torch.from_numpy(images))
    return (raw - vae.config.shift_factor) * vae.config.scaling_factor


def normalise_image_latents(vae: AutoencoderKL, images: torch.Tensor) -> None:
    """Sets shift and scaling factor so that all latents together have mean 0 and variance 1.

    Args:
        vae: A trained autoencoder.
        images: 8-bit images (N, 64, 64, 3); the first few thousand are enough.
    """
    raw = encode_images(vae, images[:_MEASURED])
    vae.register_to_config(shift_factor=raw.mean().item(), scaling_factor=1 / raw.std().item())
