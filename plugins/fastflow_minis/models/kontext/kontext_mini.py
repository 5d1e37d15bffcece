"""A FluxKontextPipeline in training: a FLUX mini that continues with edits."""

# diffusers and transformers annotate these calls wrongly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, FluxKontextPipeline, FluxPipeline

from fastflow_minis.models.flux.flux_components import FLUX_LEARNERS, flux_pipeline
from fastflow_minis.models.flux.flux_mini import FluxMini
from fastflow_minis.models.kontext.kontext_recipe import KontextRecipe
from fastflow_minis.training.dataset import Example
from fastflow_minis.worlds.drawing import render_scene
from fastflow_minis.worlds.edits.edit_language import words_of_edits
from fastflow_minis.worlds.edits.edit_world import training_edit
from fastflow_minis.worlds.scenes.scene_language import words_of_scenes
from fastflow_minis.zoo import find_folder


def build_kontext(recipe: KontextRecipe, run: Path, device: str) -> FluxMini:
    """Puts the parts of a trained FLUX mini into a pipeline that edits."""
    folder = find_folder(recipe.start, "start")
    if not (run / "vae").exists():  # a resumed run must encode its dataset with the same one
        AutoencoderKL.from_pretrained(folder / "vae").save_pretrained(run / "vae")
    vae = AutoencoderKL.from_pretrained(run / "vae")
    pipe = flux_pipeline(FluxKontextPipeline, recipe, vae, words_of_scenes_and_edits())
    adopt_weights(pipe, FluxPipeline.from_pretrained(folder, vae=None))
    return FluxMini(pipe.to(device), recipe, edit_example)


def words_of_scenes_and_edits() -> tuple[str, ...]:
    """Returns every word of scenes and of edits, sorted."""
    return tuple(sorted({*words_of_scenes(), *words_of_edits()}))


def edit_example(rng: np.random.Generator) -> Example:
    """Draws an edit: the image after, the instruction, the image before."""
    drawn = training_edit(rng)
    text, task = drawn.instruction.text, drawn.task
    return Example(render_scene(drawn.target), text, task, render_scene(drawn.source))


@torch.no_grad()
def adopt_weights(pipe: FluxPipeline, start: FluxPipeline) -> None:
    """Copies a trained pipeline's weights where shapes agree, and the embeddings of its words.

    Args:
        pipe: The pipeline to change, in place.
        start: The trained pipeline, with the same kinds of parts.
    """
    for name in FLUX_LEARNERS:
        part, learned = getattr(pipe, name), getattr(start, name).state_dict()
        shapes = {key: value.shape for key, value in part.state_dict().items()}
        fitting = {key: v for key, v in learned.items() if shapes.get(key) == v.shape}
        part.load_state_dict(fitting, strict=False)
    for encoder, tokenizer in (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")):
        own, learned = (getattr(p, encoder).get_input_embeddings().weight for p in (pipe, start))
        rows = getattr(start, tokenizer).get_vocab()
        if own.shape[1] == learned.shape[1]:
            for token, row in getattr(pipe, tokenizer).get_vocab().items():
                if token in rows:
                    own[row] = learned[rows[token]]
