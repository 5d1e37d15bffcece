"""FLUX: the pipeline's own numbers, in batches too, and what they cost."""

import pytest
import torch
from diffusers import FluxPipeline
from diffusers.utils import logging as of_diffusers
from huggingface_hub.utils import are_progress_bars_disabled
from tiny_pipelines import flux
from transformers.utils import logging as of_transformers

import fastflow_minis
from fastflow import Request, Sampler
from fastflow.config import build, read
from fastflow.testing import check
from fastflow_minis import MINIS
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.models.flux import Flux, FluxFlow
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.random_arms import RandomArms
from fastflow_plugins.policies.static import Every

PROMPTS = ["a red cat", "two dogs, left of a tree", "", "blue"]
BOTH = pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5], ids=["plain", "true_cfg"])


def _recipe(**options):
    usual = {"path": "tiny", "height": 16, "width": 24, "max_sequence_length": 24}
    return Flux(**usual | options)


def _requests(count=1, steps=6, **options):
    return [Request(i, PROMPTS[i % 4], 3 + i, steps, **options) for i in range(count)]


def _samples(model, requests, policy=None, **options):
    sampler = Sampler(model, policy or Never(), Linear(), Interpolate(), **options)
    return sorted(sampler.generate(requests), key=lambda sample: sample.request.index)


def _pipe_call(pipe, recipe, request, output_type):
    """Calls the pipeline as its users do."""
    return pipe(
        request.prompt,
        negative_prompt=recipe.negative_prompt,
        true_cfg_scale=recipe.true_cfg_scale,
        guidance_scale=recipe.guidance_scale,
        height=recipe.height,
        width=recipe.width,
        max_sequence_length=recipe.max_sequence_length,
        num_inference_steps=request.steps,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type=output_type,
    ).images[0]


def _assert_identical(pipe, recipe, requests, model=None):
    samples = _samples(model or FluxFlow(pipe, recipe), requests, max_batch=1)
    for sample, request in zip(samples, requests, strict=True):
        assert torch.equal(sample.x[0], _pipe_call(pipe, recipe, request, "latent"))
        image = _pipe_call(pipe, recipe, request, "pil")
        assert sample.output.size == image.size == (recipe.width, recipe.height)
        assert sample.output.tobytes() == image.tobytes()


@BOTH
@pytest.mark.parametrize("guidance_embeds", [True, False], ids=["embedded", "unembedded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_without_skips_latents_and_images_are_the_pipelines(
    dtype, guidance_embeds, true_cfg_scale
):
    pipe = flux.pipeline(dtype=dtype, guidance_embeds=guidance_embeds)
    recipe = _recipe(true_cfg_scale=true_cfg_scale, negative_prompt="ugly", guidance_scale=2.0)
    _assert_identical(pipe, recipe, _requests(2, steps=4))


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_shipped_mini_is_its_own_pipeline_bit_for_bit(dtype, true_cfg_scale):
    recipe = build(read(["model=flux_mini", f"model.true_cfg_scale={true_cfg_scale}"]).model)
    model = recipe.load(dtype=dtype)
    request = Request(0, "a photo of a red circle", 3, 10)
    _assert_identical(model.pipe, recipe, [request], model)


def _told(pipe, function):
    """Returns what the transformer was told in each call that a function makes."""
    told = []

    def listen(module, arguments, options):
        told.append({k: v.clone() for k, v in options.items() if torch.is_tensor(v)})

    with pipe.transformer.register_forward_pre_hook(listen, with_kwargs=True):
        function()
    return told


@pytest.mark.parametrize("guidance_embeds", [True, False], ids=["embedded", "unembedded"])
def test_the_transformer_is_told_what_the_pipeline_tells_it(guidance_embeds):
    pipe = flux.pipeline(dtype=torch.bfloat16, guidance_embeds=guidance_embeds)
    recipe = _recipe(true_cfg_scale=2.5, negative_prompt="ugly")
    (request,) = _requests(steps=7)
    ours = _told(pipe, lambda: _samples(FluxFlow(pipe, recipe), [request]))
    theirs = _told(pipe, lambda: _pipe_call(pipe, recipe, request, "latent"))
    assert len(ours) == len(theirs) == 14
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("height", "width", "steps"), [(16, 16, 1), (32, 8, 3), (8, 48, 11)], ids=str
)
def test_sizes_and_steps_do_not_change_that(height, width, steps):
    pipe = flux.pipeline()
    _assert_identical(pipe, _recipe(height=height, width=width), _requests(1, steps))


@pytest.mark.parametrize(
    "options",
    [
        {"use_dynamic_shifting": False},
        {"time_shift_type": "linear"},
        {"shift_terminal": 0.1},
        {"use_karras_sigmas": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_schedulers_do_not_change_that(options):
    pipe = flux.pipeline(**options)
    _assert_identical(pipe, _recipe(), _requests(1, 5))


def test_a_requests_negative_prompt_comes_before_the_recipes():
    pipe = flux.pipeline()
    model = FluxFlow(pipe, _recipe(true_cfg_scale=3.0, negative_prompt="ugly"))
    (sample,) = _samples(model, _requests(negative_prompt="dark"))
    expected = _recipe(true_cfg_scale=3.0, negative_prompt="dark")
    (request,) = _requests()
    assert torch.equal(sample.x[0], _pipe_call(pipe, expected, request, "latent"))
    (other,) = _samples(model, [request])
    assert not torch.equal(sample.x, other.x)


def test_prompt_seed_and_guidance_matter():
    pipe = flux.pipeline()
    (first,) = _samples(FluxFlow(pipe, _recipe()), [Request(0, "a cat", 1, 4)])
    for request, options in [
        (Request(0, "a dog", 1, 4), {}),
        (Request(0, "a cat", 2, 4), {}),
        (Request(0, "a cat", 1, 4), {"guidance_scale": 9.0}),
    ]:
        (other,) = _samples(FluxFlow(pipe, _recipe(**options)), [request])
        assert not torch.equal(first.x, other.x)


@BOTH
@pytest.mark.parametrize(
    "policy", [RandomArms(arms=(0, 1, 3)), Every(interval=2)], ids=["random_arms", "every"]
)
def test_a_batch_gives_what_its_samples_give_alone(policy, true_cfg_scale):
    model = FluxFlow(flux.pipeline(), _recipe(true_cfg_scale=true_cfg_scale))
    requests = _requests(6, steps=10)
    together = _samples(model, requests, policy, max_batch=4)
    alone = _samples(model, requests, policy, max_batch=1)
    for a, b in zip(together, alone, strict=True):
        assert a.computed == b.computed
        # other matrix shapes sum in another order: float32 rounding (1e-7), grown by 10 steps
        torch.testing.assert_close(a.x, b.x, rtol=1e-5, atol=1e-5)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_it_keeps_every_rule_of_flow_models(dtype, true_cfg_scale):
    model = FluxFlow(flux.pipeline(dtype=dtype), _recipe(true_cfg_scale=true_cfg_scale))
    check(model, prompt="a red cat")


def test_the_recipe_keeps_every_rule_of_adapters():
    check(Flux())
    check(Flux(path="flux_mini"))


@BOTH
@pytest.mark.parametrize("policy", [Never(), Every(interval=3)], ids=["never", "every"])
def test_counted_calls_are_the_transformers(policy, true_cfg_scale):
    pipe = flux.pipeline()
    model = FluxFlow(pipe, _recipe(true_cfg_scale=true_cfg_scale))
    made = []
    with pipe.transformer.register_forward_hook(lambda *_: made.append(1)):
        samples = _samples(model, _requests(2, steps=10), policy, max_batch=1)
    branches = 2 if true_cfg_scale > 1 else 1
    assert model.calls_per_velocity == branches
    assert sum(s.calls for s in samples) == len(made)
    assert len(made) == branches * sum(len(s.computed) for s in samples)
    assert {len(s.computed) for s in samples} == {10 if isinstance(policy, Never) else 4}


def test_the_users_pipeline_and_its_scheduler_are_left_alone():
    pipe = flux.pipeline()
    pipe.scheduler.set_timesteps(7, mu=1.0)
    pipe.scheduler.set_begin_index(2)
    before = dict(vars(pipe.scheduler))
    model = FluxFlow(pipe, _recipe())
    _samples(model, _requests(2, steps=4))
    after = vars(pipe.scheduler)
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


def test_the_grid_needs_no_prompt_and_is_that_of_the_samples():
    model = FluxFlow(flux.pipeline(), _recipe())
    (request,) = _requests(steps=8)
    assert model.grid(8).digest == model.prepare(request).grid.digest
    assert model.grid(8).steps == 8
    assert model.grid(8).sigma[0] == 1.0
    assert model.grid(8).sigma[-1] == 0.0


def test_a_larger_image_stays_longer_in_the_noise():
    pipe = flux.pipeline()
    small = FluxFlow(pipe, _recipe(height=16, width=16)).grid(8).sigma
    large = FluxFlow(pipe, _recipe(height=128, width=128)).grid(8).sigma
    assert all(a < b for a, b in zip(small[1:-1], large[1:-1], strict=True))


@pytest.mark.parametrize("guidance_embeds", [True, False], ids=["embedded", "unembedded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_the_probe_is_the_first_blocks_modulated_input(dtype, guidance_embeds):
    pipe = flux.pipeline(dtype=dtype, guidance_embeds=guidance_embeds)
    model = FluxFlow(pipe, _recipe())
    problems = [model.prepare(request) for request in _requests(2, steps=4)]
    x = torch.cat([problem.x for problem in problems])
    t = problems[0].grid.model_times[[1, 3]]
    conditioning = [problem.conditioning for problem in problems]
    seen = []
    norm = pipe.transformer.transformer_blocks[0].norm1
    with norm.register_forward_hook(lambda _, __, output: seen.append(output[0])):
        model.velocity(x, t, conditioning)
    probe = model.probe(x, t, conditioning)
    assert probe.shape == (2, 24, 32)
    assert torch.equal(probe, seen[0])


def test_a_pipeline_loads_from_its_folder(tmp_path):
    flux.pipeline().save_pretrained(tmp_path)
    recipe = _recipe(path=str(tmp_path))
    model = recipe.load()
    assert isinstance(model.pipe, FluxPipeline)
    _assert_identical(model.pipe, recipe, _requests(2), model)


def test_loading_shows_no_bars_and_leaves_their_switches_as_they_were(tmp_path, capfd):
    flux.pipeline().save_pretrained(tmp_path)
    capfd.readouterr()
    before = [module.is_progress_bar_enabled() for module in (of_diffusers, of_transformers)]
    _recipe(path=str(tmp_path)).load()
    assert "it/s" not in capfd.readouterr().err
    after = [module.is_progress_bar_enabled() for module in (of_diffusers, of_transformers)]
    assert after == before == [True, True]
    assert not are_progress_bars_disabled()


def test_a_folder_loads_in_another_precision(tmp_path):
    flux.pipeline().save_pretrained(tmp_path)
    model = _recipe(path=str(tmp_path)).load(dtype="bfloat16")
    parts = [model.pipe.transformer, model.pipe.vae, model.pipe.text_encoder]
    assert {part.dtype for part in [*parts, model.pipe.text_encoder_2]} == {torch.bfloat16}
    (sample,) = _samples(model, _requests(steps=2))
    assert sample.x.dtype is torch.bfloat16


def test_the_key_names_what_changes_the_velocity():
    pipe = flux.pipeline()
    changes = [
        {},
        {"path": "other"},
        {"height": 32},
        {"guidance_scale": 1.0},
        {"true_cfg_scale": 2.0},
        {"true_cfg_scale": 2.0, "negative_prompt": "ugly"},
        {"max_sequence_length": 12},
        {"revision": "main"},
    ]
    keys = [FluxFlow(pipe, _recipe(**change)).key for change in changes]
    assert len(set(keys)) == len(keys)
    assert keys[0] == "flux(tiny, 16x24, 24, guidance 3.5)"
    assert FluxFlow(pipe, _recipe(negative_prompt="unused")).key == keys[0]


def test_only_the_mini_has_prompts_of_its_own():
    assert _recipe().prompts(3) == []
    prompts = Flux(path="flux_mini").prompts(1000)
    assert len(set(prompts)) == 300
    assert Flux(path="flux_mini").prompts(2) == prompts[:2]
    assert prompts[0].task == "single_object"


def test_the_minis_name_stands_for_its_folder(tmp_path, monkeypatch):
    flux.pipeline().save_pretrained(tmp_path)
    monkeypatch.setattr(fastflow_minis, "folder", {"flux_mini": tmp_path}.get, raising=False)
    model = _recipe(path="flux_mini").load()
    assert model.key.startswith("flux(flux_mini, ")
    assert model.pipe.config._name_or_path == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("flux_dev", Flux(path="black-forest-labs/FLUX.1-dev")),
        (
            "flux_schnell",
            Flux(
                path="black-forest-labs/FLUX.1-schnell",
                guidance_scale=0.0,
                max_sequence_length=256,
            ),
        ),
        (
            "flux_mini",
            Flux(
                path="flux_mini",
                height=64,
                width=64,
                guidance_scale=0.0,
                true_cfg_scale=2.0,
                max_sequence_length=MINIS["flux_mini"].tokens,
            ),
        ),
    ],
)
def test_presets_are_the_models_own_settings(name, expected):
    assert build(read([f"model={name}"]).model) == expected
