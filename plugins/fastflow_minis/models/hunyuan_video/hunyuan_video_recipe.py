"""The recipe of `hunyuan_video_mini`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastflow_minis.training.mini import Mini
from fastflow_minis.training.recipe import AutoencoderParts


@dataclass(frozen=True)
class HunyuanVideoRecipe(AutoencoderParts):
    """Trains a HunyuanVideoPipeline on moving shapes; only its autoencoder has a start.

    Attributes:
        start: The mini, or the folder of a BAGEL, whose autoencoder is the start of its own.
        examples: Number of examples that are drawn once, encoded and kept in memory.
        heads: Attention heads of the transformer, 32 wide each.
        double_blocks: Transformer blocks with separate text and video weights.
        single_blocks: Transformer blocks that share them.
        refiner_blocks: Blocks that refine the prompt's tokens.
        patch: Side in latents of the square that is one token.
        text_width: Width of both text encoders.
        llama_layers: Layers of the language model that are used; the model has two more.
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
    examples: int = 30_000
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
        from fastflow_minis.models.hunyuan_video.hunyuan_video_mini import build_hunyuan_video

        return build_hunyuan_video(self, run, device)
