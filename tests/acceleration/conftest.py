"""A tiny FLUX pipeline and how it is called in these tests."""

import pytest
import torch
from tiny_pipelines import flux


@pytest.fixture
def pipe():
    return flux.pipeline()


@pytest.fixture
def call():
    """Calls a FLUX pipeline for 12 steps; returns its latents."""

    def latents(pipe, seed=3, **changes):
        usual = {
            "num_inference_steps": 12,
            "output_type": "latent",
            "generator": torch.Generator("cpu").manual_seed(seed),
        }
        return pipe(**flux.inputs(**usual | changes)).images

    return latents
