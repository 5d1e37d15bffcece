"""The recipe of `flux_mini`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastflow_minis.training.mini import Mini
from fastflow_minis.training.recipe import AutoencoderParts, Recipe


@dataclass(frozen=True)
class FluxParts(Recipe):
    """Holds the sizes of a pipeline with FLUX's parts.

    Attributes:
        examples: Number of examples that are drawn once, encoded and kept in memory.
        heads: Attention heads of the transformer, 32 wide each.
        double_blocks: Transformer blocks with separate text and image weights.
        single_blocks: Transformer blocks that share them.
        text_width: Width of both text encoders.
        t5_layers: Layers of the T5 encoder.
        clip_layers: Layers of the CLIP encoder.
        tokens: Length of the text sequence (`max_sequence_length` of the pipeline).
    """

    examples: int = 40_000
    heads: int = 4
    double_blocks: int = 2
    single_blocks: int = 4
    text_width: int = 96
    t5_layers: int = 2
    clip_layers: int = 1
    tokens: int = 14


@dataclass(frozen=True)
class FluxRecipe(FluxParts, AutoencoderParts):
    """Trains a FluxPipeline that draws scenes, from scratch.

    Attributes:
        relational: How many times more often captions of two kinds of object are drawn than
            others, because they take longer to learn.
    """

    name = "flux_mini"

    relational: float = 3.0

    def build(self, run: Path, device: str = "cpu") -> Mini:
        from fastflow_minis.models.flux.flux_mini import build_flux

        return build_flux(self, run, device)
