"""The recipe of `bagel_mini`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastflow_minis.training.mini import Mini
from fastflow_minis.training.recipe import AutoencoderParts


@dataclass(frozen=True)
class BagelRecipe(AutoencoderParts):
    """Trains a BAGEL that draws and edits scenes; only its autoencoder has a start.

    Attributes:
        start: The mini, or the folder of a FluxPipeline, whose autoencoder's levels it adopts.
        inner_steps: Optimiser steps of the levels inside these, on their features; `vae_steps`
            on whole images follow.
        inner_batch: Images in one of these steps.
        inner_rate: Their highest learning rate.
        inner_kl_weight: Their weight of the mean KL divergence.
        examples: Number of scenes, and again of edits, that are drawn and encoded once.
        relational: How many times more often captions of two kinds of object are drawn than
            others, because they take longer to learn.
        edits: Share of a batch that is edits; the others are scenes.
        no_source: Share of edits that are learned without their source.
        width: Width of the transformer.
        layers: Its layers, each with the weights of two experts.
        heads: Its attention heads.
        key_heads: Its heads of keys and values, which attention heads share.
        inner: Width inside its perceptrons.
        vision_width: Width of SigLIP.
        vision_layers: Layers of SigLIP that are used; it has one more.
    """

    name = "bagel_mini"

    steps: int = 9_000
    batch: int = 256
    ema: float = 0.999
    start: str = "flux_mini"
    vae_channels: tuple[int, ...] = (16, 32, 32, 32)
    latent_channels: int = 16
    inner_steps: int = 2_000
    inner_batch: int = 16
    inner_rate: float = 2e-3
    inner_kl_weight: float = 3e-4
    vae_steps: int = 300
    vae_batch: int = 8
    vae_rate: float = 5e-4
    examples: int = 80_000
    relational: float = 2.0
    edits: float = 0.6
    no_source: float = 0.1
    width: int = 128
    layers: int = 6
    heads: int = 4
    key_heads: int = 2
    inner: int = 384
    vision_width: int = 96
    vision_layers: int = 2

    def __post_init__(self):
        super().__post_init__()
        if not 0 < round(self.edits * self.batch) < self.batch:
            raise ValueError(
                f"`edits` must leave scenes and edits in a batch of {self.batch}, "
                f"got {self.edits}."
            )

    def build(self, run: Path, device: str = "cpu") -> Mini:
        from fastflow_minis.models.bagel.bagel_mini import build_bagel

        return build_bagel(self, run, device)
