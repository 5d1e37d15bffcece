"""The recipes of the minis, by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastflow_minis.mini import Mini
from fastflow_minis.recipe import Recipe


@dataclass(frozen=True)
class FluxParts(Recipe):
    """The sizes of a pipeline with FLUX's parts.

    Attributes:
        bank: Number of examples that are drawn once, encoded and kept in memory.
        heads: Attention heads of the transformer, 32 wide each.
        double_blocks: Transformer blocks with separate text and image weights.
        single_blocks: Transformer blocks that share them.
        text_width: Width of both text encoders.
        t5_layers: Layers of the T5 encoder.
        clip_layers: Layers of the CLIP encoder.
        tokens: Length of the text sequence (`max_sequence_length` of the pipeline).
    """

    bank: int = 40_000
    heads: int = 4
    double_blocks: int = 2
    single_blocks: int = 4
    text_width: int = 96
    t5_layers: int = 2
    clip_layers: int = 1
    tokens: int = 14


@dataclass(frozen=True)
class AutoencoderParts(Recipe):
    """The autoencoder of a mini that is trained from nothing.

    Attributes:
        vae_channels: Channels at 64, 32, 16, ... pixels.
        latent_channels: Channels of a latent.
        vae_steps: Optimiser steps.
        vae_batch: Images or videos in one step.
        vae_rate: The highest learning rate.
        kl_weight: Weight of the mean KL divergence (nats per latent element).
    """

    vae_channels: tuple[int, ...] = (16, 32, 32)
    latent_channels: int = 4
    vae_steps: int = 1_600
    vae_batch: int = 16
    vae_rate: float = 2e-3
    kl_weight: float = 3e-5


@dataclass(frozen=True)
class FluxRecipe(FluxParts, AutoencoderParts):
    """A FluxPipeline that draws scenes, trained from nothing.

    Attributes:
        relational: How many times more often captions of two kinds of object are drawn than
            others; they take longer to learn.
    """

    name = "flux_mini"

    relational: float = 3.0

    def build(self, run: Path, device: str = "cpu") -> Mini:
        from fastflow_minis.flux import build

        return build(self, run, device)


@dataclass(frozen=True)
class KontextRecipe(FluxParts):
    """A FluxKontextPipeline that edits scenes, made from a mini that draws them.

    Attributes:
        start: The mini, or the folder of a FluxPipeline, whose autoencoder it keeps and whose
            other weights it starts from where shapes allow.
    """

    name = "kontext_mini"

    steps: int = 5_000
    batch: int = 32
    bank: int = 30_000
    start: str = "flux_mini"

    def build(self, run: Path, device: str = "cpu") -> Mini:
        from fastflow_minis.kontext import build

        return build(self, run, device)


@dataclass(frozen=True)
class HunyuanVideoRecipe(AutoencoderParts):
    """A HunyuanVideoPipeline that films moving shapes, trained from nothing but its autoencoder.

    Attributes:
        start: The mini, or the folder of a BAGEL, from whose autoencoder its own starts.
        bank: Number of examples that are drawn once, encoded and kept in memory.
        heads: Attention heads of the transformer, 32 wide each.
        double_blocks: Transformer blocks with separate text and video weights.
        single_blocks: Transformer blocks that share them.
        refiner_blocks: Blocks that refine the prompt's tokens.
        patch: Side in latents of the square that is one token.
        text_width: Width of both text encoders.
        llama_layers: Layers of the language model that are used; two more are not.
        clip_layers: Layers of the CLIP encoder.
        tokens: Length of the text sequence (`max_sequence_length` of the pipeline).
    """

    name = "hunyuan_video_mini"

    steps: int = 18_000
    batch: int = 160
    ema: float = 0.999
    start: str = "bagel_mini"
    vae_channels: tuple[int, ...] = (16, 32, 32, 32)
    latent_channels: int = 16
    vae_steps: int = 1_200
    vae_batch: int = 12
    vae_rate: float = 3e-4
    bank: int = 30_000
    heads: int = 5
    double_blocks: int = 2
    single_blocks: int = 3
    refiner_blocks: int = 1
    patch: int = 2
    text_width: int = 96
    llama_layers: int = 2
    clip_layers: int = 1
    tokens: int = 16

    def build(self, run: Path, device: str = "cpu") -> Mini:
        from fastflow_minis.hunyuan_video import build

        return build(self, run, device)


@dataclass(frozen=True)
class BagelRecipe(AutoencoderParts):
    """A BAGEL that draws scenes and edits them, trained from nothing but its autoencoder.

    Attributes:
        start: The mini, or the folder of a FluxPipeline, whose autoencoder's levels its own keeps.
        inner_steps: Optimiser steps of what lies inside of these, on their features; `vae_steps`
            on whole images follow.
        inner_batch: Images in one of them.
        inner_rate: Their highest learning rate.
        inner_kl_weight: Their weight of the mean KL divergence.
        bank: Number of scenes, and again of edits, that are drawn and encoded once.
        relational: How many times more often captions of two kinds of object are drawn than
            others; they take longer to learn.
        edits: Share of a batch that is edits; the others are scenes.
        no_source: Share of edits that are learned without their source.
        width: Width of the transformer.
        layers: Its layers, each with the weights of two experts.
        heads: Its attention heads.
        key_heads: Heads of keys and values, which heads share.
        inner: Width inside its perceptrons.
        vision_width: Width of SigLIP.
        vision_layers: Layers of SigLIP that are used; one more is not.
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
    bank: int = 80_000
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
        from fastflow_minis.bagel import build

        return build(self, run, device)


_RECIPES = (FluxRecipe(), KontextRecipe(), HunyuanVideoRecipe(), BagelRecipe())

MINIS: dict[str, Recipe] = {recipe.name: recipe for recipe in _RECIPES}
"""The recipes by name."""


def find(name: str) -> Recipe:
    """Returns a mini's recipe.

    Raises:
        ValueError: The name is unknown.
    """
    if name not in MINIS:
        raise ValueError(f"`name` must be one of {', '.join(MINIS)}, got {name!r}.")
    return MINIS[name]


def read(path: Path) -> Recipe:
    """Reads the recipe that a run noted in its folder (`Recipe.write`).

    Raises:
        ValueError: It is the recipe of no mini that is known here.
    """
    values: dict[str, Any] = json.loads(path.read_text())
    name = values.pop("mini", None)
    if name not in MINIS:
        raise ValueError(f"{path} must name one of {', '.join(MINIS)} as its mini, got {name!r}.")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return type(MINIS[name])(**values)
