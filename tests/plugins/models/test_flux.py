"""FLUX: what is particular to it."""

from dataclasses import replace

import pytest
from adapter_cases import FLUX
from adapter_tools import assert_identical

from fastflow import Request
from fastflow.registry import preset
from fastflow_plugins.models.flux import Flux


@pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5], ids=["plain", "true_cfg"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_shipped_mini_is_its_own_pipeline_bit_for_bit(dtype, true_cfg_scale):
    recipe = replace(preset("model", "flux_mini"), true_cfg_scale=true_cfg_scale)
    model = recipe.load(dtype=dtype)
    request = Request(0, "a photo of a red circle", 3, 10)
    (sample,) = assert_identical(FLUX, model.pipe, recipe, [request], model)
    assert sample.output.size == (recipe.width, recipe.height)


def test_a_larger_image_stays_longer_in_the_noise():
    pipe = FLUX.pipeline()
    small = FLUX.model(pipe, height=16, width=16).grid(8).sigma
    large = FLUX.model(pipe, height=128, width=128).grid(8).sigma
    assert all(a < b for a, b in zip(small[1:-1], large[1:-1], strict=True))


def test_the_mini_asks_for_scenes():
    prompts = Flux(path="flux_mini").prompts(1000)
    assert len(set(prompts)) == 300
    assert prompts[0].task == "single_object"
