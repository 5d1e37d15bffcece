"""A FluxPipeline in training: its transformer learns together with its text encoders."""

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

from fastflow_minis.models.flux.flux_components import (
    FLUX_LEARNERS,
    flux_autoencoder,
    flux_pipeline,
)
from fastflow_minis.models.flux.flux_recipe import FluxParts, FluxRecipe
from fastflow_minis.models.pipeline_files import save_pipeline
from fastflow_minis.training.dataset import EncodedDataset, Example, World, draw_images
from fastflow_minis.training.flow_matching import draw_batch, noised
from fastflow_minis.training.image_autoencoder import (
    image_latents,
    normalise_image_latents,
    train_image_autoencoder,
)
from fastflow_minis.training.mini import Mini
from fastflow_minis.training.progress import TrainingProgress
from fastflow_minis.worlds.drawing import render_scene
from fastflow_minis.worlds.scenes.scene_language import parse_caption, words_of_scenes
from fastflow_minis.worlds.scenes.scene_world import training_scene

_RELATIONAL = ("two_objects", "position", "colour_attribution")
"""Tasks whose captions name two kinds of object."""


def build_flux(recipe: FluxRecipe, run: Path, device: str) -> FluxMini:
    """Puts an untrained transformer and text encoders around the run's autoencoder."""
    vae = _autoencoder(recipe, run, device)
    pipe = flux_pipeline(FluxPipeline, recipe, vae, words_of_scenes()).to(device)
    return FluxMini(pipe, recipe, scene_example, lambda task: task_weight(task, recipe.relational))


def scene_example(rng: np.random.Generator) -> Example:
    """Draws a scene with a caption."""
    drawn, caption = training_scene(rng)
    return Example(render_scene(drawn), caption, parse_caption(caption).task)


def task_weight(task: str, relational: float) -> float:
    """Returns how many times more often than others examples of a task are drawn."""
    return relational if task in _RELATIONAL else 1.0


def _autoencoder(recipe: FluxRecipe, run: Path, device: str) -> AutoencoderKL:
    """Returns the run's autoencoder, after training it if there is none yet."""
    folder = run / "vae"
    if not folder.exists():
        torch.manual_seed(recipe.seed)
        vae = flux_autoencoder(recipe).to(device)
        drawn = draw_images(scene_example, recipe.examples, recipe.seed)
        with TrainingProgress("autoencoder", recipe.vae_steps, run) as progress:
            train_image_autoencoder(vae, drawn, recipe, progress)
        normalise_image_latents(vae, drawn)
        vae.save_pretrained(folder)
    return AutoencoderKL.from_pretrained(folder).to(device)


class FluxMini(Mini):
    """Trains a pipeline of FLUX's parts on a world of images with captions.

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
        self.learners = nn.ModuleDict({name: getattr(pipe, name) for name in FLUX_LEARNERS})

    def objective(self, run: Path) -> FluxLoss:
        recipe = self.recipe
        encode = partial(image_latents, self.pipe.vae)
        dataset = EncodedDataset.of(run, encode, self.world, recipe.examples, recipe.seed)
        return FluxLoss(self.pipe, recipe, dataset, self.weight)

    def save(self, folder: Path) -> None:
        save_pipeline(self.pipe, folder, self.recipe.name)


class FluxLoss:
    """Computes a pipeline's loss: the mean squared velocity error of a batch.

    Args:
        pipe: The pipeline.
        recipe: The hyperparameters.
        dataset: The examples.
        weight: How many times more often than others examples of a task are drawn.
    """

    def __init__(
        self,
        pipe: FluxPipeline,
        recipe: FluxParts,
        dataset: EncodedDataset,
        weight: Callable[[str], float],
    ):
        self.pipe, self.recipe = pipe, recipe
        self.device = pipe.transformer.device
        self.data = pack_latents(dataset.latents)
        self.sources = None if dataset.sources is None else pack_latents(dataset.sources)
        self.weights = torch.tensor([weight(task) for task in dataset.tasks])
        self.tokens = FluxTokens.of(pipe, [*dataset.captions, ""], recipe.tokens)

    def __call__(self, generator: torch.Generator) -> torch.Tensor:
        chosen, asked = draw_batch(self.weights, self.recipe, generator)
        tokens = self.tokens.pick(asked)
        sources = None if self.sources is None else self.sources[chosen].to(self.device)
        x, sigma, v = noised(self.data[chosen].to(self.device), self.recipe, generator)
        found = flux_velocity(self.pipe, x, sigma, tokens.to(self.device), sources)
        return (found - v).square().mean()


@dataclass(frozen=True)
class FluxTokens:
    """Holds the token ids (B, tokens) of captions for CLIP and T5."""

    clip: torch.Tensor
    t5: torch.Tensor

    @classmethod
    def of(cls, pipe: FluxPipeline, captions: list[str], length: int) -> FluxTokens:
        """Tokenizes captions as `FluxPipeline.encode_prompt` does: cut and padded to a length."""
        options = {"padding": "max_length", "max_length": length, "truncation": True}
        ids = (
            tokenizer(captions, return_tensors="pt", **options).input_ids
            for tokenizer in (pipe.tokenizer, pipe.tokenizer_2)
        )
        return cls(*ids)

    def pick(self, indices: torch.Tensor) -> FluxTokens:
        """Selects captions."""
        return FluxTokens(self.clip[indices], self.t5[indices])

    def to(self, device: torch.device) -> FluxTokens:
        """Moves the ids."""
        return FluxTokens(self.clip.to(device), self.t5.to(device))


def flux_velocity(
    pipe: FluxPipeline,
    x: torch.Tensor,
    sigma: torch.Tensor,
    tokens: FluxTokens,
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


def pack_latents(latents: torch.Tensor) -> torch.Tensor:
    """Packs latents (N, C, H, W) into tokens (N, H/2 * W/2, 4C) in the pipeline's order."""
    return FluxPipeline._pack_latents(latents, *latents.shape).contiguous()
