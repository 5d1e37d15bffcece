"""The autoencoder with one level more: what it keeps, and what it learns on features."""

import dataclasses

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from fastflow_minis import MINIS, folder
from fastflow_minis.models.bagel.bagel_components import bagel_autoencoder
from fastflow_minis.models.bagel.extension import (
    InnerLevels,
    LevelFeatures,
    adopt_outer_levels,
    train_inner_levels,
)
from fastflow_minis.models.flux.flux_mini import scene_example
from fastflow_minis.training.dataset import draw_images
from fastflow_minis.training.image_autoencoder import image_tensor

RECIPE = dataclasses.replace(MINIS["bagel_mini"], inner_steps=40, inner_batch=8)


@pytest.fixture(scope="module")
def start():
    return AutoencoderKL.from_pretrained(folder("flux_mini") / "vae").eval()


@pytest.fixture
def vae(start):
    torch.manual_seed(0)
    made = bagel_autoencoder(RECIPE).eval()
    adopt_outer_levels(made, start)
    return made


@pytest.fixture(scope="module")
def drawn():
    return draw_images(scene_example, 24, 0)


@torch.no_grad()
def test_the_outer_levels_read_and_draw_as_the_trained_ones(start, vae, drawn):
    features = LevelFeatures.of(start, drawn)
    x = image_tensor(drawn)
    encoder, decoder = vae.encoder, vae.decoder
    levels = nn.Sequential(encoder.conv_in, *encoder.down_blocks[:2])
    read = encoder.down_blocks[2].resnets[0](levels(x), None)
    torch.testing.assert_close(read, features.read)
    outer = nn.Sequential(
        *decoder.up_blocks[1:], decoder.conv_norm_out, decoder.conv_act, decoder.conv_out
    )
    torch.testing.assert_close(outer(features.drawn), start(x).sample, rtol=1e-4, atol=1e-4)


def test_what_is_inside_learns_and_nothing_else_changes(start, vae, drawn):
    features, steps = LevelFeatures.of(start, drawn), []
    inside = {id(parameter) for parameter in InnerLevels(vae).parameters()}
    outer = {n: p.clone() for n, p in vae.named_parameters() if id(p) not in inside}
    train_inner_levels(vae, features, RECIPE, steps.append)
    losses = [step["loss"] for step in steps]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    now = dict(vae.named_parameters())
    assert outer
    for name, value in outer.items():
        assert torch.equal(value, now[name]), name


@torch.no_grad()
def test_the_whole_is_its_inside_between_its_outer_levels(start, vae, drawn):
    features = LevelFeatures.of(start, drawn)
    found = InnerLevels(vae).encoder(features.read)
    expected = vae.encode(image_tensor(drawn)).latent_dist.parameters
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_other_channels_than_those_it_starts_from_are_refused(start):
    wide = bagel_autoencoder(dataclasses.replace(RECIPE, vae_channels=(32, 32, 32, 32)))
    with pytest.raises(ValueError, match=r"`start`, 16, 32, 32, and one more, got 32, 32, 32, 32"):
        adopt_outer_levels(wide, start)
