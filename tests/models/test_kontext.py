"""FLUX Kontext: the pipeline's own numbers, with a reference image and without."""

from dataclasses import replace

import pytest
import torch
from diffusers import FluxKontextPipeline
from diffusers.pipelines.flux import pipeline_flux_kontext
from PIL import Image
from tiny_pipelines import flux, flux_images

import fastflow_minis
from fastflow import Request, Sampler
from fastflow.config import build, read
from fastflow.testing import check
from fastflow_minis import MINIS
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.models.flux import Flux, FluxFlow
from fastflow_plugins.models.flux_kontext import FluxKontext, KontextFlow
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.random_arms import RandomArms
from fastflow_plugins.policies.static import Every

PROMPTS = ["a red cat", "two dogs, left of a tree", "", "blue"]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
BOTH = pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5], ids=["plain", "true_cfg"])
TOLD = ("hidden_states", "timestep", "guidance", "txt_ids", "img_ids", "encoder_hidden_states")


def _picture(width=24, height=16, seed=0, mode="RGB"):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy()).convert(mode)


def _recipe(**options):
    usual = {"path": "tiny", "height": 16, "width": 24, "max_area": 384, "auto_resize": False}
    return FluxKontext(**usual | {"max_sequence_length": 24} | options)


def _request(image, index=0, steps=4, **options):
    return Request(index, PROMPTS[index % 4], 3 + index, steps, image=image, **options)


def _samples(model, requests, policy=None, **options):
    sampler = Sampler(model, policy or Never(), Linear(), Interpolate(), **options)
    return sorted(sampler.generate(requests), key=lambda sample: sample.request.index)


def _pipe_call(pipe, recipe, request, output_type):
    """Calls the pipeline as its users do."""
    return pipe(
        image=request.image,
        prompt=request.prompt,
        negative_prompt=recipe.negative_prompt,
        true_cfg_scale=recipe.true_cfg_scale,
        guidance_scale=recipe.guidance_scale,
        height=recipe.height,
        width=recipe.width,
        max_area=recipe.max_area,
        _auto_resize=recipe.auto_resize,
        max_sequence_length=recipe.max_sequence_length,
        num_inference_steps=request.steps,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type=output_type,
    ).images[0]


def _assert_identical(pipe, recipe, request, model=None):
    (sample,) = _samples(model or KontextFlow(pipe, recipe), [request])
    assert torch.equal(sample.x[0], _pipe_call(pipe, recipe, request, "latent"))
    image = _pipe_call(pipe, recipe, request, "pil")
    assert sample.output.size == image.size
    assert sample.output.tobytes() == image.tobytes()


@BOTH
@DTYPES
@pytest.mark.parametrize("guidance_embeds", [True, False], ids=["embedded", "unembedded"])
@pytest.mark.parametrize("image", [None, _picture()], ids=["no_image", "image"])
def test_without_skips_latents_and_images_are_the_pipelines(
    dtype, guidance_embeds, true_cfg_scale, image
):
    pipe = flux_images.kontext(dtype, guidance_embeds=guidance_embeds)
    recipe = _recipe(true_cfg_scale=true_cfg_scale, negative_prompt="ugly", guidance_scale=2.0)
    _assert_identical(pipe, recipe, _request(image))


@pytest.mark.parametrize(
    ("height", "width", "max_area"),
    [(16, 16, 256), (32, 8, 256), (8, 48, 1000), (1024, 1024, 300), (3, 5, 640)],
    ids=str,
)
@pytest.mark.parametrize("size", [(24, 16), (17, 33)], ids=str)
def test_sizes_do_not_change_that(height, width, max_area, size):
    recipe = _recipe(height=height, width=width, max_area=max_area)
    _assert_identical(flux_images.kontext(), recipe, _request(_picture(*size), steps=3))


@pytest.mark.parametrize("size", [(24, 16), (16, 21), (90, 40), (5, 60)], ids=str)
def test_a_reference_takes_the_nearest_of_the_models_sizes(monkeypatch, size):
    sizes = [(16, 40), (24, 28), (28, 24), (40, 16)]
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", sizes)
    pipe, recipe = flux_images.kontext(), _recipe(auto_resize=True)
    request = _request(_picture(*size))
    _assert_identical(pipe, recipe, request)
    condition = KontextFlow(pipe, recipe).prepare(request).conditioning
    assert condition.size[::-1] in sizes


def test_a_reference_keeps_its_size_if_it_is_not_resized():
    model = KontextFlow(flux_images.kontext(), _recipe())
    condition = model.prepare(_request(_picture(33, 21))).conditioning
    assert condition.size == (20, 32)
    assert condition.reference.shape == (1, 5 * 8, 16)
    assert condition.image_ids.shape == (4 * 6 + 5 * 8, 3)
    assert condition.image_ids[:, 0].tolist() == [0] * 24 + [1] * 40


def _told(pipe, function):
    """Returns what the transformer was told in each call that a function makes."""
    told = []

    def listen(module, arguments, options):
        told.append({k: v.clone() for k, v in options.items() if torch.is_tensor(v)})

    with pipe.transformer.register_forward_pre_hook(listen, with_kwargs=True):
        function()
    return told


def test_the_transformer_is_told_what_the_pipeline_tells_it():
    pipe = flux_images.kontext(torch.bfloat16)
    recipe = _recipe(true_cfg_scale=2.5, negative_prompt="ugly")
    request = _request(_picture(), steps=7)
    ours = _told(pipe, lambda: _samples(KontextFlow(pipe, recipe), [request]))
    theirs = _told(pipe, lambda: _pipe_call(pipe, recipe, request, "latent"))
    assert len(ours) == len(theirs) == 14
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys() >= set(TOLD)
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


def test_the_grid_is_that_of_the_target_alone():
    grids = {FluxFlow(flux.pipeline(), Flux(height=16, width=24)).grid(8).digest}
    model = KontextFlow(flux_images.kontext(), _recipe())
    for image in (None, _picture(), _picture(80, 80)):
        grids.add(model.prepare(_request(image, steps=8)).grid.digest)
    assert grids == {model.grid(8).digest}


def test_the_reference_matters():
    model = KontextFlow(flux_images.kontext(), _recipe())
    images = [None, _picture(), _picture(seed=1), _picture(16, 24)]
    ends = [_samples(model, [_request(image)])[0].x for image in images]
    assert all(not torch.equal(a, b) for i, a in enumerate(ends) for b in ends[:i])


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK"])
def test_a_picture_of_another_kind_is_taken_as_rgb(mode):
    model = KontextFlow(flux_images.kontext(), _recipe())
    picture = _picture(mode=mode)
    (sample,), (same,) = (
        _samples(model, [_request(image)]) for image in (picture, picture.convert("RGB"))
    )
    assert torch.equal(sample.x, same.x)


@BOTH
@pytest.mark.parametrize(
    "policy", [RandomArms(arms=(0, 1, 3)), Every(interval=2)], ids=["random_arms", "every"]
)
def test_a_batch_gives_what_its_samples_give_alone(policy, true_cfg_scale):
    model = KontextFlow(flux_images.kontext(), _recipe(true_cfg_scale=true_cfg_scale))
    # two of one size, one of as many tokens in another shape, one of another size, two without
    images = [_picture(), _picture(seed=1), _picture(16, 24), None, _picture(40, 40), None]
    requests = [_request(image, i, 10) for i, image in enumerate(images)]
    together = _samples(model, requests, policy, max_batch=6)
    alone = _samples(model, requests, policy, max_batch=1)
    for a, b in zip(together, alone, strict=True):
        assert a.computed == b.computed
        # other matrix shapes sum in another order: float32 rounding (1e-7), grown by 10 steps
        torch.testing.assert_close(a.x, b.x, rtol=1e-5, atol=1e-5)


def test_rows_with_references_of_one_size_share_a_call():
    pipe = flux_images.kontext()
    model = KontextFlow(pipe, _recipe())
    images = [_picture(), None, _picture(16, 24), _picture(seed=1)]
    requests = [_request(image, i, 2) for i, image in enumerate(images)]
    told = _told(pipe, lambda: _samples(model, requests, max_batch=4))
    assert [len(call["hidden_states"]) for call in told] == [2, 1, 1] * 2


class Editing(KontextFlow):
    """Edits one picture, whatever it is asked: so the kit's requests bring an image."""

    def prepare(self, request):
        return super().prepare(replace(request, image=_picture(20, 32)))


@DTYPES
@pytest.mark.parametrize(
    ("kind", "true_cfg_scale"), [(KontextFlow, 2.5), (Editing, 1.0), (Editing, 2.5)]
)
def test_it_keeps_every_rule_of_flow_models(dtype, kind, true_cfg_scale):
    model = kind(flux_images.kontext(dtype), _recipe(true_cfg_scale=true_cfg_scale))
    check(model, prompt="a red cat")


def test_the_recipe_keeps_every_rule_of_adapters():
    check(FluxKontext())
    check(FluxKontext(path="kontext_mini"))


def test_only_the_mini_has_prompts_of_its_own_and_they_bring_their_images():
    assert _recipe().prompts(3) == []
    prompts = FluxKontext(path="kontext_mini").prompts(7)
    assert [p.task for p in prompts[:3]] == ["recolour", "replace", "add"]
    assert {p.image.size for p in prompts} == {(64, 64)}
    assert FluxKontext(path="kontext_mini").prompts(2) == prompts[:2]
    assert len(FluxKontext(path="kontext_mini").prompts(400)) == 400


def test_the_minis_name_stands_for_its_folder(tmp_path, monkeypatch):
    flux_images.kontext().save_pretrained(tmp_path)
    monkeypatch.setattr(fastflow_minis, "folder", {"kontext_mini": tmp_path}.get, raising=False)
    model = _recipe(path="kontext_mini").load()
    assert model.key.startswith("flux_kontext(kontext_mini, ")
    assert model.pipe.config._name_or_path == str(tmp_path)


@BOTH
@pytest.mark.parametrize("policy", [Never(), Every(interval=3)], ids=["never", "every"])
def test_counted_calls_are_the_transformers(policy, true_cfg_scale):
    pipe = flux_images.kontext()
    model = KontextFlow(pipe, _recipe(true_cfg_scale=true_cfg_scale))
    requests = [_request(image, i, 10) for i, image in enumerate([_picture(), None])]
    samples = []
    made = _told(pipe, lambda: samples.extend(_samples(model, requests, policy, max_batch=1)))
    branches = 2 if true_cfg_scale > 1 else 1
    assert sum(sample.calls for sample in samples) == len(made)
    assert len(made) == branches * sum(len(sample.computed) for sample in samples)
    assert {len(sample.computed) for sample in samples} == {10 if policy == Never() else 4}


@DTYPES
@pytest.mark.parametrize("image", [None, _picture(16, 32)], ids=["no_image", "image"])
def test_the_probe_is_the_first_blocks_modulated_input(dtype, image):
    pipe = flux_images.kontext(dtype)
    model = KontextFlow(pipe, _recipe())
    problems = [model.prepare(_request(image, i)) for i in range(2)]
    x = torch.cat([problem.x for problem in problems])
    t = problems[0].grid.model_times[[1, 3]]
    conditioning = [problem.conditioning for problem in problems]
    seen = []
    norm = pipe.transformer.transformer_blocks[0].norm1
    with norm.register_forward_hook(lambda _, __, output: seen.append(output[0])):
        model.velocity(x, t, conditioning)
    probe = model.probe(x, t, conditioning)
    assert probe.shape == (2, 24 if image is None else 24 + 32, 32)
    assert torch.equal(probe, seen[0])


def test_a_pipeline_loads_from_its_folder(tmp_path):
    flux_images.kontext().save_pretrained(tmp_path)
    recipe = _recipe(path=str(tmp_path))
    model = recipe.load()
    assert isinstance(model.pipe, FluxKontextPipeline)
    _assert_identical(model.pipe, recipe, _request(_picture()), model)


def test_the_key_names_what_changes_the_velocity():
    pipe = flux_images.kontext()
    changes = [
        {},
        {"path": "other"},
        {"height": 32},
        {"max_area": 2 * 384},
        {"auto_resize": True},
        {"guidance_scale": 1.0},
        {"true_cfg_scale": 2.0},
        {"max_sequence_length": 12},
    ]
    keys = [KontextFlow(pipe, _recipe(**change)).key for change in changes]
    assert len(set(keys)) == len(keys)
    assert keys[0] == "flux_kontext(tiny, 16x24, 24, guidance 2.5)"
    assert keys[4] == "flux_kontext(tiny, 16x24, 24, guidance 2.5, references resized)"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("flux_kontext", FluxKontext()),
        ("flux_kontext_dev", FluxKontext()),
        (
            "kontext_mini",
            FluxKontext(
                path="kontext_mini",
                height=64,
                width=64,
                max_area=64 * 64,
                auto_resize=False,
                guidance_scale=0.0,
                max_sequence_length=MINIS["kontext_mini"].tokens,
            ),
        ),
    ],
)
def test_presets_are_the_models_own_settings(name, expected):
    assert build(read([f"model={name}"]).model) == expected
