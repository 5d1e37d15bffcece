"""The bank: training scenes, drawn and encoded once, with their captions' tokens."""

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, FluxPipeline

from fastflow_minis import autoencoder
from fastflow_minis.drawing import render
from fastflow_minis.recipe import Recipe
from fastflow_minis.scenes import training_scene


@dataclass(frozen=True)
class Bank:
    """What the transformer learns from, on the CPU.

    Attributes:
        latents: Normalised latents (N, C, 16, 16), float32.
        captions: N captions.
    """

    latents: torch.Tensor
    captions: list[str]


def draw(count: int, seed: int) -> tuple[torch.Tensor, list[str]]:
    """Draws training scenes: 8-bit images (N, 64, 64, 3) and their captions."""
    rng = np.random.default_rng(seed)
    scenes, captions = zip(*(training_scene(rng) for _ in range(count)), strict=True)
    return torch.from_numpy(np.stack([render(scene) for scene in scenes])), list(captions)


def fill(vae: AutoencoderKL, recipe: Recipe) -> Bank:
    """Draws and encodes a bank; sets the autoencoder's shift and scaling factor on the way."""
    images, captions = draw(recipe.bank, recipe.seed)
    return Bank(autoencoder.normalise(vae, autoencoder.encode(vae, images)), captions)


@dataclass(frozen=True)
class Tokens:
    """Token ids (N, tokens) of captions for CLIP and T5."""

    clip: torch.Tensor
    t5: torch.Tensor

    @classmethod
    def of(cls, pipe: FluxPipeline, captions: list[str], length: int) -> "Tokens":
        """Tokenizes captions as `FluxPipeline.encode_prompt` does: cut and padded to a length."""
        options = {"padding": "max_length", "max_length": length, "truncation": True}
        ids = (
            tokenizer(captions, return_tensors="pt", **options).input_ids
            for tokenizer in (pipe.tokenizer, pipe.tokenizer_2)
        )
        return cls(*ids)

    def pick(self, indices: torch.Tensor) -> "Tokens":
        """Selects captions."""
        return Tokens(self.clip[indices], self.t5[indices])
