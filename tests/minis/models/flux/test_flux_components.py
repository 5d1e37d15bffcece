"""What the untrained parts can tell apart."""

import dataclasses

import pytest
import torch
from diffusers import FluxPipeline

from fastflow_minis import MINIS
from fastflow_minis.models.flux.flux_components import flux_autoencoder, flux_pipeline
from fastflow_minis.models.flux.flux_mini import FluxTokens
from fastflow_minis.worlds.scenes.scene_language import words_of_scenes


@pytest.fixture(scope="module")
def pipe():
    recipe = dataclasses.replace(MINIS["flux_mini"], heads=1, double_blocks=1, single_blocks=1)
    return flux_pipeline(FluxPipeline, recipe, flux_autoencoder(recipe), words_of_scenes())


def _t5(pipe, caption):
    with torch.no_grad():
        return pipe.text_encoder_2(FluxTokens.of(pipe, [caption], 14).t5)[0][0]


def test_a_noun_contains_its_adjective_before_any_training(pipe):
    one = _t5(pipe, "a photo of a red circle and a blue square")
    other = _t5(pipe, "a photo of a blue circle and a red square")
    circle = 5
    assert (one[circle] - other[circle]).norm() > 0.2 * one[circle].norm()


def test_a_noun_contains_its_relation_before_any_training(pipe):
    one = _t5(pipe, "a photo of a ring left of a cross")
    other = _t5(pipe, "a photo of a cross left of a ring")
    assert (one[4] - other[8]).norm() > 0.2 * one[4].norm()


def test_parts_fit_each_other(pipe):
    assert pipe.vae_scale_factor == 4
    assert pipe.transformer.config.in_channels == 4 * pipe.vae.config.latent_channels
    assert not pipe.transformer.config.guidance_embeds
