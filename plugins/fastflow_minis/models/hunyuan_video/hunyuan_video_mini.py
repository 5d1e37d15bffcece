"""A HunyuanVideoPipeline in training: its transformer and its text encoders learn together."""

# diffusers and transformers annotate these calls wrongly:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLHunyuanVideo, HunyuanVideoPipeline
from safetensors.torch import load_file
from torch import nn

from fastflow_minis.models.hunyuan_video.hunyuan_video_components import (
    HUNYUAN_VIDEO_LEARNERS,
    UNUSED_LAYERS,
    hunyuan_video_pipeline,
)
from fastflow_minis.models.hunyuan_video.hunyuan_video_recipe import HunyuanVideoRecipe
from fastflow_minis.models.hunyuan_video.video_autoencoder import (
    hunyuan_video_autoencoder,
    inflate,
    normalise_video_latents,
    train_video_autoencoder,
    video_latents,
)
from fastflow_minis.models.pipeline_files import save_pipeline
from fastflow_minis.training.dataset import EncodedDataset, Example, draw_images
from fastflow_minis.training.flow_matching import draw_batch, noised
from fastflow_minis.training.mini import Mini
from fastflow_minis.training.progress import TrainingProgress
from fastflow_minis.worlds.videos.video_language import words_of_videos
from fastflow_minis.worlds.videos.video_world import render_video, training_video
from fastflow_minis.zoo import find_folder
from fastflow_plugins.models.bagel.checkpoint import load_autoencoder

_STILL = "ae.safetensors"  # an autoencoder of images
_VIDEOS = 4_000  # for the autoencoder; raw frames are large


def build_hunyuan_video(recipe: HunyuanVideoRecipe, run: Path, device: str) -> HunyuanVideoMini:
    """Puts an untrained transformer and text encoders around the run's autoencoder."""
    vae = _autoencoder(recipe, run, device)
    return HunyuanVideoMini(
        hunyuan_video_pipeline(recipe, vae, words_of_videos()).to(device), recipe
    )


def video_example(rng: np.random.Generator) -> Example:
    """Draws a video with a caption."""
    drawn, asked = training_video(rng)
    return Example(render_video(drawn), asked.text, asked.task)


def _autoencoder(recipe: HunyuanVideoRecipe, run: Path, device: str) -> AutoencoderKLHunyuanVideo:
    """Returns the run's autoencoder, after training it if there is none yet."""
    folder = run / "vae"
    if not folder.exists():
        torch.manual_seed(recipe.seed)
        vae = hunyuan_video_autoencoder(recipe)
        file = find_folder(recipe.start, "start", _STILL) / _STILL
        inflate(vae, load_autoencoder(file, load_file(file)))
        vae.to(device)
        drawn = draw_images(video_example, min(_VIDEOS, recipe.examples), recipe.seed)
        with TrainingProgress("autoencoder", recipe.vae_steps, run) as progress:
            train_video_autoencoder(vae, drawn, recipe, progress)
        normalise_video_latents(vae, drawn)
        vae.save_pretrained(folder)
    return AutoencoderKLHunyuanVideo.from_pretrained(folder).to(device)


class HunyuanVideoMini(Mini):
    """Trains a pipeline of HunyuanVideo's parts on the world of videos.

    Args:
        pipe: The pipeline, on its device.
        recipe: The hyperparameters.
    """

    def __init__(self, pipe: HunyuanVideoPipeline, recipe: HunyuanVideoRecipe):
        self.pipe, self.recipe = pipe, recipe
        parts = HUNYUAN_VIDEO_LEARNERS
        self.learners = nn.ModuleDict({name: getattr(pipe, name) for name in parts})

    def objective(self, run: Path) -> HunyuanVideoLoss:
        encode = partial(video_latents, self.pipe.vae)
        dataset = EncodedDataset.of(
            run, encode, video_example, self.recipe.examples, self.recipe.seed
        )
        return HunyuanVideoLoss(self.pipe, self.recipe, dataset)

    def save(self, folder: Path) -> None:
        save_pipeline(self.pipe, folder, self.recipe.name)


class HunyuanVideoLoss:
    """Computes a pipeline's loss: the mean squared velocity error of a batch.

    Args:
        pipe: The pipeline.
        recipe: The hyperparameters.
        dataset: The examples.
    """

    def __init__(
        self, pipe: HunyuanVideoPipeline, recipe: HunyuanVideoRecipe, dataset: EncodedDataset
    ):
        self.pipe, self.recipe, self.data = pipe, recipe, dataset.latents
        self.weights = torch.ones(len(dataset.captions))
        self.tokens = HunyuanVideoTokens.of(pipe, [*dataset.captions, ""], recipe.tokens)

    def __call__(self, generator: torch.Generator) -> torch.Tensor:
        device = self.pipe.transformer.device
        chosen, asked = draw_batch(self.weights, self.recipe, generator)
        x, sigma, v = noised(self.data[chosen].to(device), self.recipe, generator)
        found = hunyuan_video_velocity(self.pipe, x, sigma, self.tokens.pick(asked).to(device))
        return (found - v).square().mean()


@dataclass(frozen=True)
class HunyuanVideoTokens:
    """Holds the token ids (B, tokens) of captions for the language model and CLIP.

    Attributes:
        llama: Ids.
        mask: 1 for a token, 0 for padding.
        clip: Ids.
    """

    llama: torch.Tensor
    mask: torch.Tensor
    clip: torch.Tensor

    @classmethod
    def of(
        cls, pipe: HunyuanVideoPipeline, captions: list[str], length: int
    ) -> HunyuanVideoTokens:
        """Tokenizes captions as the pipeline does with the template ``{}``.

        CLIP is causal and uses the end of the text only, so it needs no more padding.
        """
        options = {"padding": "max_length", "max_length": length, "truncation": True}
        llama, clip = (
            tokenizer(captions, return_tensors="pt", **options)
            for tokenizer in (pipe.tokenizer, pipe.tokenizer_2)
        )
        return cls(llama.input_ids, llama.attention_mask, clip.input_ids)

    def pick(self, indices: torch.Tensor) -> HunyuanVideoTokens:
        """Selects captions."""
        return HunyuanVideoTokens(self.llama[indices], self.mask[indices], self.clip[indices])

    def to(self, device: torch.device) -> HunyuanVideoTokens:
        """Moves the ids."""
        return HunyuanVideoTokens(
            self.llama.to(device), self.mask.to(device), self.clip.to(device)
        )


def hunyuan_video_velocity(
    pipe: HunyuanVideoPipeline, x: torch.Tensor, sigma: torch.Tensor, tokens: HunyuanVideoTokens
) -> torch.Tensor:
    """Calls the transformer as HunyuanVideoPipeline does.

    Args:
        pipe: The pipeline, its parts on the device of `x`.
        x: Latents (B, C, F', 8, 8).
        sigma: Noise levels (B,), 1 is noise.
        tokens: The captions' token ids (B, tokens).

    Returns:
        The velocity (B, C, F', 8, 8).
    """
    hidden = pipe.text_encoder(
        input_ids=tokens.llama, attention_mask=tokens.mask, output_hidden_states=True
    ).hidden_states
    return pipe.transformer(
        hidden_states=x,
        timestep=sigma * 1000,
        encoder_hidden_states=hidden[-1 - UNUSED_LAYERS],
        encoder_attention_mask=tokens.mask.to(x.dtype),
        pooled_projections=pipe.text_encoder_2(tokens.clip).pooler_output,
        return_dict=False,
    )[0]
