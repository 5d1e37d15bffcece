"""A deeper autoencoder from a trained one: it keeps the outer levels and learns one more inside.

Trained on pixels alone, an autoencoder with three halvings spends its first thousand steps on
backgrounds. The features of a trained one distinguish shapes and colours from the start, and they
are small, so training the inner levels on them costs a tenth of training on whole images.
"""

# diffusers annotates these parts wrongly:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

from fastflow_minis.models.bagel.bagel_recipe import BagelRecipe
from fastflow_minis.training.image_autoencoder import LossAndNumbers, image_tensor, minimise
from fastflow_minis.training.progress import ReportStep

_BATCH = 64


def adopt_outer_levels(vae: AutoencoderKL, start: AutoencoderKL) -> None:
    """Copies the outer levels of a trained autoencoder.

    Args:
        vae: The autoencoder to change, in place: one level deeper, otherwise of the same channels.
        start: The trained one.

    Raises:
        ValueError: Their channels differ.
    """
    channels, trained = vae.config["block_out_channels"], start.config["block_out_channels"]
    if tuple(channels[:-1]) != tuple(trained):
        raise ValueError(
            f"`vae_channels` must be those of `start`, {', '.join(map(str, trained))}, and one "
            f"more, got {', '.join(map(str, channels))}."
        )
    own, old = vae.encoder, start.encoder
    own.conv_in.load_state_dict(old.conv_in.state_dict())
    for new, trained in zip(own.down_blocks, old.down_blocks, strict=False):
        # the innermost trained level has no downsampling
        new.load_state_dict(trained.state_dict(), strict=False)
    own, old = vae.decoder, start.decoder
    for new, trained in zip(own.up_blocks[1:], old.up_blocks, strict=True):
        new.load_state_dict(trained.state_dict())
    for name in ("conv_norm_out", "conv_out"):
        getattr(own, name).load_state_dict(getattr(old, name).state_dict())


class LevelFeatures(NamedTuple):
    """Holds the features of images in a trained autoencoder, inside its outer levels.

    Attributes:
        read: The output of its encoder's levels (N, C, 16, 16).
        drawn: The input of its decoder's levels, likewise.
    """

    read: Tensor
    drawn: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, start: AutoencoderKL, images: Tensor) -> LevelFeatures:
        """Computes the features of 8-bit images (N, 64, 64, 3)."""
        device = next(start.parameters()).device
        encoder, decoder = start.encoder, start.decoder
        read, drawn = [], []
        for part in images.split(_BATCH):
            x = image_tensor(part.to(device))
            z = start.encode(x).latent_dist.mean
            read.append(nn.Sequential(encoder.conv_in, *encoder.down_blocks)(x).cpu())
            drawn.append(nn.Sequential(decoder.conv_in, decoder.mid_block)(z).cpu())
        return cls(torch.cat(read), torch.cat(drawn))


class InnerLevels(nn.Module):
    """Applies the part of an autoencoder inside the levels that it adopted.

    Args:
        vae: The autoencoder, whose parts these are.
    """

    def __init__(self, vae: AutoencoderKL):
        super().__init__()
        encoder, decoder = vae.encoder, vae.decoder
        down: Any = encoder.down_blocks[-2]
        self.encoder = nn.Sequential(
            down.downsamplers[0],
            encoder.down_blocks[-1],
            encoder.mid_block,
            encoder.conv_norm_out,
            encoder.conv_act,
            encoder.conv_out,
        )
        self.decoder = nn.Sequential(decoder.conv_in, decoder.mid_block, decoder.up_blocks[0])

    def forward(self, read: Tensor) -> tuple[Tensor, Tensor]:
        """Returns features to draw (B, C, 16, 16), and the mean KL divergence of the latents."""
        latent = DiagonalGaussianDistribution(self.encoder(read))
        return self.decoder(latent.sample()), latent.kl().mean() / latent.mean[0].numel()


def train_inner_levels(
    vae: AutoencoderKL, features: LevelFeatures, recipe: BagelRecipe, progress: ReportStep
) -> None:
    """Trains the inner levels to predict the decoder's features from the encoder's.

    Args:
        vae: The autoencoder, trained in place, after `adopt_outer_levels`.
        features: Features of the autoencoder whose outer levels it has.
        recipe: Steps, batch and rates.
        progress: Called with a dictionary of numbers after every step.
    """
    device, inside = next(vae.parameters()).device, InnerLevels(vae)
    spread = features.drawn.std(dim=(0, 2, 3), keepdim=True).to(device)

    def loss(generator: torch.Generator) -> LossAndNumbers:
        chosen = torch.randint(len(features.read), (recipe.inner_batch,), generator=generator)
        found, kl = inside(features.read[chosen].to(device))
        wrong = (found - features.drawn[chosen].to(device)) / spread
        total = wrong.abs().mean() + wrong.square().mean() + recipe.inner_kl_weight * kl
        return total, {"kl": kl.item()}

    minimise(inside, loss, recipe.inner_steps, recipe.inner_rate, recipe.seed, progress)
