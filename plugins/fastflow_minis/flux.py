"""A FluxPipeline under training: its transformer learns together with its text encoders."""

# diffusers annotates its configurations wrongly:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, FluxPipeline
from torch import nn

from fastflow_minis import autoencoder, components
from fastflow_minis.bank import Bank, Example, World, images
from fastflow_minis.drawing import render
from fastflow_minis.language import words
from fastflow_minis.matching import draw, noised
from fastflow_minis.mini import Mini
from fastflow_minis.progress import Progress
from fastflow_minis.recipes import FluxParts, FluxRecipe
from fastflow_minis.scenes import parse, training_scene

_RELATIONAL = ("two_objects", "position", "colour_attribution")
"""Tasks whose captions name two kinds of object."""


def build(recipe: FluxRecipe, run: Path, device: str) -> FluxMini:
    """Puts an untrained transformer and text encoders around the run's autoencoder."""
    vae = _autoencoder(recipe, run, device)
    pipe = components.pipeline(FluxPipeline, recipe, vae, words()).to(device)
    return FluxMini(pipe, recipe, scene, lambda task: weight(task, recipe.relational))


def scene(rng: np.random.Generator) -> Example:
    """Draws a scene with a caption."""
    drawn, caption = training_scene(rng)
    return Example(render(drawn), caption, parse(caption).task)


def weight(task: str, relational: float) -> float:
    """Returns how many times more often than others examples of a task are drawn."""
    return relational if task in _RELATIONAL else 1.0


def _autoencoder(recipe: FluxRecipe, run: Path, device: str) -> AutoencoderKL:
    """Returns the run's autoencoder, trained at first."""
    folder = run / "vae"
    if not folder.exists():
        torch.manual_seed(recipe.seed)
        vae = autoencoder.autoencoder(recipe).to(device)
        drawn = images(scene, recipe.bank, recipe.seed)
        with Progress("autoencoder", recipe.vae_steps, run) as progress:
            autoencoder.train(vae, drawn, recipe, progress)
        autoencoder.normalise(vae, drawn)
        vae.save_pretrained(folder)
    return AutoencoderKL.from_pretrained(folder).to(device)


class FluxMini(Mini):
    """A pipeline of FLUX's parts that learns a world of images with captions.

    Args:
        pipe: The pipeline, on its device.
        recipe: The hyperparameters.
        world: Draws examples; with source images, the pipeline is a FluxKontextPipeline.
        weight: How many times more often than others examples of a task are drawn.
    """

    def __init__(
        self,
        pipe: FluxPipeline,
        recipe: FluxParts,
        world: World,
        weight: Callable[[str], float] = lambda task: 1.0,
    ):
        self.pipe, self.recipe, self.world, self.weight = pipe, recipe, world, weight
        self.learners = nn.ModuleDict({name: getattr(pipe, name) for name in components.LEARNERS})

    def objective(self, run: Path) -> Captioned:
        recipe = self.recipe
        encode = partial(autoencoder.latents, self.pipe.vae)
        bank = Bank.of(run, encode, self.world, recipe.bank, recipe.seed)
        return Captioned(self.pipe, recipe, bank, self.weight)

    def save(self, folder: Path) -> None:
        """Writes the pipeline, transformer and autoencoder in half precision.

        The text encoders are not, because transformers, unlike diffusers, would load them in the
        precision of their file.
        """
        self.pipe.transformer.half()
        self.pipe.vae.half()
        self.pipe.vae.register_to_config(_name_or_path=self.recipe.name)
        self.pipe.save_pretrained(folder)


class Captioned:
    """The loss of a pipeline on a bank: the mean squared velocity error of a batch.

    Args:
        pipe: The pipeline.
        recipe: The hyperparameters.
        bank: Examples.
        weight: How many times more often than others examples of a task are drawn.
    """

    def __init__(
        self, pipe: FluxPipeline, recipe: FluxParts, bank: Bank, weight: Callable[[str], float]
    ):
        self.pipe, self.recipe = pipe, recipe
        self.device = pipe.transformer.device
        self.data = pack(bank.latents)
        self.sources = None if bank.sources is None else pack(bank.sources)
        self.weights = torch.tensor([weight(task) for task in bank.tasks])
        self.tokens = Tokens.of(pipe, [*bank.captions, ""], recipe.tokens)

    def __call__(self, generator: torch.Generator) -> torch.Tensor:
        chosen, asked = draw(self.weights, self.recipe, generator)
        tokens = self.tokens.pick(asked)
        sources = None if self.sources is None else self.sources[chosen].to(self.device)
        x, sigma, v = noised(self.data[chosen].to(self.device), self.recipe, generator)
        found = velocity(self.pipe, x, sigma, tokens.to(self.device), sources)
        return (found - v).square().mean()


@dataclass(frozen=True)
class Tokens:
    """Token ids (B, tokens) of captions for CLIP and T5."""

    clip: torch.Tensor
    t5: torch.Tensor

    @classmethod
    def of(cls, pipe: FluxPipeline, captions: list[str], length: int) -> Tokens:
        """Tokenizes captions as `FluxPipeline.encode_prompt` does: cut and padded to a length."""
        options = {"padding": "max_length", "max_length": length, "truncation": True}
        ids = (
            tokenizer(captions, return_tensors="pt", **options).input_ids
            for tokenizer in (pipe.tokenizer, pipe.tokenizer_2)
        )
        return cls(*ids)

    def pick(self, indices: torch.Tensor) -> Tokens:
        """Selects captions."""
        return Tokens(self.clip[indices], self.t5[indices])

    def to(self, device: torch.device) -> Tokens:
        """Moves the ids."""
        return Tokens(self.clip.to(device), self.t5.to(device))


def velocity(
    pipe: FluxPipeline,
    x: torch.Tensor,
    sigma: torch.Tensor,
    tokens: Tokens,
    sources: torch.Tensor | None = None,
) -> torch.Tensor:
    """Calls the transformer as FluxPipeline, or with sources FluxKontextPipeline, does.

    Args:
        pipe: The pipeline, its parts on the device of `x`.
        x: Packed latents (B, 64, 4C).
        sigma: Noise levels (B,), 1 is noise.
        tokens: The captions' token ids (B, tokens).
        sources: Packed latents of the source images (B, 64, 4C), or None.

    Returns:
        The velocity (B, 64, 4C).
    """
    text = pipe.text_encoder_2(tokens.t5, output_hidden_states=False)[0]
    pooled = pipe.text_encoder(tokens.clip, output_hidden_states=False).pooler_output
    side = math.isqrt(x.shape[1])
    ids = pipe._prepare_latent_image_ids(len(x), side, side, x.device, x.dtype)
    count = x.shape[1]
    if sources is not None:
        of_sources = ids.clone()
        of_sources[:, 0] = 1
        x, ids = torch.cat([x, sources], dim=1), torch.cat([ids, of_sources])
    return pipe.transformer(
        hidden_states=x,
        timestep=sigma,
        guidance=None,
        pooled_projections=pooled,
        encoder_hidden_states=text,
        txt_ids=torch.zeros(text.shape[1], 3, device=x.device),
        img_ids=ids,
        return_dict=False,
    )[0][:, :count]


def pack(latents: torch.Tensor) -> torch.Tensor:
    """Packs latents (N, C, H, W) into tokens (N, H/2 * W/2, 4C) in the pipeline's order."""
    return FluxPipeline._pack_latents(latents, *latents.shape).contiguous()
