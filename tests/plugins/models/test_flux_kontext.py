"""FLUX Kontext: what is particular to it, the reference image above all."""

import pytest
import torch
from adapter_cases import FLUX, KONTEXT, picture
from adapter_tools import assert_identical, samples_of, told
from diffusers.pipelines.flux import pipeline_flux_kontext

from fastflow_plugins.models.flux_kontext import FluxKontext


def _request(image, steps=4):
    (request,) = KONTEXT.requests(steps=steps, image=image)
    return request


@pytest.mark.parametrize(
    ("height", "width", "max_area"),
    [(16, 16, 256), (32, 8, 256), (8, 48, 1000), (1024, 1024, 300), (3, 5, 640)],
    ids=str,
)
@pytest.mark.parametrize("size", [(24, 16), (17, 33)], ids=str)
def test_sizes_of_result_and_reference_do_not_change_the_numbers(height, width, max_area, size):
    recipe = KONTEXT.recipe(height=height, width=width, max_area=max_area)
    request = _request(picture(*size), steps=3)
    assert_identical(KONTEXT, KONTEXT.pipeline(), recipe, [request])


@pytest.mark.parametrize("size", [(24, 16), (16, 21), (90, 40), (5, 60)], ids=str)
def test_a_reference_takes_the_nearest_of_the_models_sizes(monkeypatch, size):
    sizes = [(16, 40), (24, 28), (28, 24), (40, 16)]
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", sizes)
    pipe, recipe = KONTEXT.pipeline(), KONTEXT.recipe(auto_resize=True)
    request = _request(picture(*size))
    assert_identical(KONTEXT, pipe, recipe, [request])
    condition = KONTEXT.flow(pipe, recipe).prepare(request).conditioning
    assert condition.size[::-1] in sizes


def test_a_reference_keeps_its_size_if_it_is_not_resized():
    condition = KONTEXT.model().prepare(_request(picture(33, 21))).conditioning
    assert condition.size == (20, 32)
    assert condition.reference.shape == (1, 5 * 8, 16)
    assert condition.image_ids.shape == (4 * 6 + 5 * 8, 3)
    assert condition.image_ids[:, 0].tolist() == [0] * 24 + [1] * 40


def test_the_grid_is_that_of_the_target_alone():
    model = KONTEXT.model()
    grids = {FLUX.model().grid(8).digest}
    for image in (None, picture(), picture(80, 80)):
        grids.add(model.prepare(_request(image, steps=8)).grid.digest)
    assert grids == {model.grid(8).digest}


def test_the_reference_matters():
    model = KONTEXT.model()
    images = [None, picture(), picture(seed=1), picture(16, 24)]
    ends = [samples_of(model, [_request(image)])[0].x for image in images]
    assert all(not torch.equal(a, b) for i, a in enumerate(ends) for b in ends[:i])


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK"])
def test_a_picture_of_another_kind_is_taken_as_rgb(mode):
    model, image = KONTEXT.model(), picture(mode=mode)
    (sample,), (same,) = (
        samples_of(model, [_request(image)]) for image in (image, image.convert("RGB"))
    )
    assert torch.equal(sample.x, same.x)


def test_rows_with_references_of_one_size_share_a_call():
    pipe = KONTEXT.pipeline()
    model = KONTEXT.model(pipe)
    requests = KONTEXT.requests(4, steps=2)
    made = told(pipe, lambda: samples_of(model, requests, max_batch=4))
    assert [len(call["hidden_states"]) for call in made] == [2, 1, 1] * 2


def test_the_minis_prompts_bring_their_images():
    prompts = FluxKontext(path="kontext_mini").prompts(7)
    assert [p.task for p in prompts[:3]] == ["recolour", "replace", "add"]
    assert {p.image.size for p in prompts} == {(64, 64)}
    assert len(FluxKontext(path="kontext_mini").prompts(400)) == 400
