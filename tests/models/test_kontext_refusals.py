"""What FLUX Kontext's adapter refuses, and in which words; the rest it refuses like FLUX's."""

import json

import pytest
from diffusers import FlowMatchHeunDiscreteScheduler
from PIL import Image
from tiny_pipelines import flux, flux_images

from fastflow import Request
from fastflow_minis import folders
from fastflow_plugins.models.flux import Flux, FluxFlow
from fastflow_plugins.models.flux_kontext import FluxKontext, KontextFlow


def _message(function, *arguments, **options):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        function(*arguments, **options)
    return str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_area": 0}, "`max_area` must be 1 or more, got 0."),
        ({"path": " "}, "`path` is empty. Give a hub id (owner/name) or a folder."),
        ({"height": 0}, "`height` must be 1 or more, got 0."),
        ({"guidance_scale": -1.0}, "`guidance_scale` must be 0 or more, got -1.0."),
        ({"max_sequence_length": 513}, "`max_sequence_length` must be from 1 to 512, got 513."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_values_out_of_range(options, message):
    assert _message(FluxKontext, **options) == message


@pytest.mark.parametrize(("height", "width", "max_area"), [(1, 10_000, 384), (16, 24, 9)])
def test_a_size_of_which_nothing_is_left(height, width, max_area):
    recipe = FluxKontext(height=height, width=width, max_area=max_area)
    assert _message(KontextFlow, flux_images.kontext(), recipe) == (
        "`height` and `width` must leave 4 pixels a side when scaled to `max_area`, got "
        f"{height} x {width} and {max_area}."
    )


@pytest.mark.parametrize("auto_resize", [True, False])
def test_an_image_smaller_than_a_patch(auto_resize):
    recipe = FluxKontext(height=16, width=16, max_area=256, auto_resize=auto_resize)
    model = KontextFlow(flux_images.kontext(), recipe)
    request = Request(0, "a cat", 0, image=Image.new("RGB", (40, 3)))
    assert _message(model.prepare, request) == (
        "`image` must have 4 pixels a side at least, got 3 x 40."
    )


def test_an_image_for_a_pipeline_that_edits_none():
    model = FluxFlow(flux.pipeline(), Flux(height=16, width=16))
    request = Request(0, "a cat", 0, image=Image.new("RGB", (16, 16)))
    assert _message(model.prepare, request) == (
        "FluxPipeline edits no images: leave the request's `image` out."
    )


def test_a_mini_without_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_SHIPPED", tmp_path)
    assert _message(FluxKontext(path="kontext_mini").load) == (
        f"The weights of 'kontext_mini' are not in {tmp_path / 'kontext_mini'}: install the "
        "project from its repository or train them with `fastflow train-mini kontext_mini`."
    )


def test_another_pipeline_object():
    assert _message(KontextFlow, flux.pipeline(), FluxKontext()) == (
        "`pipe` must be a FluxKontextPipeline, got a FluxPipeline."
    )


def test_the_folder_of_another_pipeline(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    assert _message(FluxKontext(path=str(tmp_path)).load) == (
        f"the folder {tmp_path} holds a FluxPipeline, but this adapter takes a "
        "FluxKontextPipeline. Choose the adapter for it (`fastflow plugins` lists them) or "
        "another `path`."
    )


def test_a_scheduler_that_does_not_take_plain_euler_steps():
    pipe = flux_images.kontext()
    pipe.scheduler = FlowMatchHeunDiscreteScheduler()
    assert "FlowMatchHeunDiscreteScheduler is of order 2" in _message(
        KontextFlow, pipe, FluxKontext()
    )
