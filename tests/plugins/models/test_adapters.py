"""Every model that is a diffusers pipeline: its own numbers, in batches too, and the cost."""

import pytest
import torch
from adapter_cases import FAMILIES as ALL
from adapter_cases import FLUX, HUNYUAN_VIDEO
from adapter_tools import assert_identical, samples_of, told
from diffusers.utils import logging as of_diffusers
from huggingface_hub.utils import are_progress_bars_disabled
from transformers.utils import logging as of_transformers

import fastflow_minis
from fastflow import Request
from fastflow.registry import build, read
from fastflow.runs import RunSettings
from fastflow.testing import check
from fastflow_minis import MINIS
from fastflow_plugins.models.flux import Flux
from fastflow_plugins.models.flux_kontext import FluxKontext
from fastflow_plugins.models.hunyuan_video import HunyuanVideo
from fastflow_plugins.policies import Every, Never, RandomArms

BOTH = pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5], ids=["plain", "true_cfg"])
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
EMBEDDED = pytest.mark.parametrize("guidance_embeds", [True, False], ids=["embedded", "without"])


@BOTH
@EMBEDDED
@DTYPES
def test_without_skips_latents_and_outputs_are_the_pipelines(
    family, dtype, guidance_embeds, true_cfg_scale
):
    pipe = family.pipeline(dtype, guidance_embeds=guidance_embeds)
    recipe = family.recipe(
        true_cfg_scale=true_cfg_scale, negative_prompt="ugly", guidance_scale=2.0
    )
    samples = assert_identical(family, pipe, recipe, family.requests(2, steps=4))
    assert {sample.output.size for sample in samples} == {family.size}


@pytest.mark.parametrize(
    ("family", "steps", "options"),
    [
        (FLUX, 1, {"height": 16, "width": 16}),
        (FLUX, 3, {"height": 32, "width": 8}),
        (FLUX, 11, {"height": 8, "width": 48}),
        (HUNYUAN_VIDEO, 1, {"frames": 1, "height": 16, "width": 16}),
        (HUNYUAN_VIDEO, 3, {"frames": 9, "height": 48, "width": 16}),
        (HUNYUAN_VIDEO, 11, {"frames": 5, "height": 16, "width": 64}),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_sizes_and_steps_do_not_change_that(family, steps, options):
    recipe = family.recipe(**options)
    (sample,) = assert_identical(family, family.pipeline(), recipe, family.requests(1, steps))
    assert sample.output.size == (recipe.width, recipe.height)
    if "frames" in options:
        assert len(sample.output.frames) == recipe.frames


@pytest.mark.parametrize(
    ("family", "options"),
    [
        (FLUX, {"use_dynamic_shifting": False}),
        (FLUX, {"time_shift_type": "linear"}),
        (FLUX, {"shift_terminal": 0.1}),
        (FLUX, {"use_karras_sigmas": True}),
        (HUNYUAN_VIDEO, {"shift": 3.0}),
        (HUNYUAN_VIDEO, {"shift_terminal": 0.1}),
        (HUNYUAN_VIDEO, {"use_karras_sigmas": True}),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_schedulers_do_not_change_that(family, options):
    assert_identical(
        family, family.pipeline(**options), family.recipe(), family.requests(1, steps=5)
    )


@EMBEDDED
def test_the_transformer_is_given_what_the_pipeline_gives_it(family, guidance_embeds):
    pipe = family.pipeline(torch.bfloat16, guidance_embeds=guidance_embeds)
    recipe = family.recipe(true_cfg_scale=2.5, negative_prompt="ugly")
    (request,) = family.requests(steps=7)
    ours = told(pipe, lambda: samples_of(family.flow(pipe, recipe), [request]))
    theirs = told(pipe, lambda: family.run(pipe, recipe, request, "latent"))
    assert len(ours) == len(theirs) == 14
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys() >= family.told
        assert "guidance" in a or not guidance_embeds
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


def test_a_requests_negative_prompt_comes_before_the_recipes(family):
    pipe = family.pipeline()
    model = family.model(pipe, true_cfg_scale=3.0, negative_prompt="ugly")
    (sample,) = samples_of(model, family.requests(negative_prompt="dark"))
    expected = family.recipe(true_cfg_scale=3.0, negative_prompt="dark")
    (request,) = family.requests()
    assert torch.equal(sample.x[0], family.run(pipe, expected, request, "latent"))
    (other,) = samples_of(model, [request])
    assert not torch.equal(sample.x, other.x)


def test_prompt_seed_and_guidance_matter(family):
    pipe = family.pipeline()
    (first,) = samples_of(family.model(pipe), [Request(0, "a cat", 1, 4)])
    for request, options in [
        (Request(0, "a dog", 1, 4), {}),
        (Request(0, "a cat", 2, 4), {}),
        *((Request(0, "a cat", 1, 4), options) for options in family.matters),
    ]:
        (other,) = samples_of(family.model(pipe, **options), [request])
        assert not torch.equal(first.x, other.x)


@BOTH
@pytest.mark.parametrize(
    "policy", [RandomArms(arms=(0, 1, 3)), Every(interval=2)], ids=["random_arms", "every"]
)
def test_a_batch_gives_what_its_samples_give_alone(family, policy, true_cfg_scale):
    model = family.model(true_cfg_scale=true_cfg_scale)
    requests = family.requests(6, steps=10)  # prompts of four lengths, one of them empty
    together = samples_of(model, requests, policy, max_batch=family.max_batch)
    alone = samples_of(model, requests, policy, max_batch=1)
    for a, b in zip(together, alone, strict=True):
        assert a.computed == b.computed
        # other matrix shapes sum in another order: float32 rounding (1e-7), grown by 10 steps
        torch.testing.assert_close(a.x, b.x, rtol=1e-5, atol=1e-5)


RULED = [(family, *ruled) for family in ALL for ruled in family.ruled]


@DTYPES
@pytest.mark.parametrize(
    ("family", "kind", "true_cfg_scale"),
    RULED,
    ids=[f"{family.name}-{kind.__name__}-{scale}" for family, kind, scale in RULED],
)
def test_it_keeps_every_rule_of_flow_models(dtype, family, kind, true_cfg_scale):
    model = kind(family.pipeline(dtype), family.recipe(true_cfg_scale=true_cfg_scale))
    check(model, prompt="a red cat")


def test_the_recipe_keeps_every_rule_of_models(family):
    check(family.recipe_type())
    check(family.recipe_type(path=family.mini))


@BOTH
@pytest.mark.parametrize("policy", [Never(), Every(interval=3)], ids=["never", "every"])
def test_counted_calls_are_the_transformers(family, policy, true_cfg_scale):
    pipe = family.pipeline()
    model = family.model(pipe, true_cfg_scale=true_cfg_scale)
    samples, requests = [], family.requests(2, steps=10)
    made = told(pipe, lambda: samples.extend(samples_of(model, requests, policy, max_batch=1)))
    branches = 2 if true_cfg_scale > 1 else 1
    assert model.calls_per_velocity == branches
    assert sum(sample.calls for sample in samples) == len(made)
    assert len(made) == branches * sum(len(sample.computed) for sample in samples)
    assert {len(s.computed) for s in samples} == {10 if isinstance(policy, Never) else 4}


def test_the_users_pipeline_and_its_scheduler_are_left_alone(family):
    pipe = family.pipeline()
    pipe.scheduler.set_timesteps(7, **family.timesteps)
    pipe.scheduler.set_begin_index(2)
    before = dict(vars(pipe.scheduler))
    samples_of(family.model(pipe), family.requests(2, steps=4))
    after = vars(pipe.scheduler)
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


def test_the_grid_needs_no_prompt_and_is_that_of_the_samples(family):
    model = family.model()
    (request,) = family.requests(steps=8)
    assert model.grid(8).digest == model.prepare(request).grid.digest
    assert model.grid(8).steps == 8
    assert model.grid(8).sigma[0] == 1.0
    assert model.grid(8).sigma[-1] == 0.0


PROBED = [(family, *probed) for family in ALL for probed in family.probed]


@EMBEDDED
@DTYPES
@pytest.mark.parametrize(
    ("family", "image", "tokens"),
    PROBED,
    ids=[f"{family.name}-{tokens}_tokens" for family, _, tokens in PROBED],
)
def test_the_probe_is_the_first_blocks_modulated_input(
    dtype, guidance_embeds, family, image, tokens
):
    pipe = family.pipeline(dtype, guidance_embeds=guidance_embeds)
    model = family.model(pipe)
    problems = [model.prepare(r) for r in family.requests(2, steps=4, image=image)]
    x = torch.cat([problem.x for problem in problems])
    t = problems[0].grid.model_times[[1, 3]]
    conditioning = [problem.conditioning for problem in problems]
    seen = []
    norm = pipe.transformer.transformer_blocks[0].norm1
    with norm.register_forward_hook(lambda _, __, output: seen.append(output[0])):
        model.velocity(x, t, conditioning)
    probe = model.probe(x, t, conditioning)
    assert probe.shape == (2, tokens, 32)
    assert torch.equal(probe, seen[0])


def test_a_pipeline_loads_from_its_folder(family, save):
    recipe = family.recipe(path=str(save(family)))
    model = recipe.load()
    assert isinstance(model.pipe, family.kind)
    assert_identical(family, model.pipe, recipe, family.requests(2), model)


def test_loading_shows_no_bars_and_leaves_their_switches_as_they_were(family, save, capfd):
    recipe = family.recipe(path=str(save(family)))
    capfd.readouterr()
    before = [module.is_progress_bar_enabled() for module in (of_diffusers, of_transformers)]
    recipe.load()
    assert "it/s" not in capfd.readouterr().err
    after = [module.is_progress_bar_enabled() for module in (of_diffusers, of_transformers)]
    assert after == before == [True, True]
    assert not are_progress_bars_disabled()


def test_a_folder_loads_in_another_precision(family, save):
    model = family.recipe(path=str(save(family))).load(dtype="bfloat16")
    pipe = model.pipe
    parts = [pipe.transformer, pipe.vae, pipe.text_encoder, pipe.text_encoder_2]
    assert {part.dtype for part in parts} == {torch.bfloat16}
    (sample,) = samples_of(model, family.requests(steps=2))
    assert sample.x.dtype is torch.bfloat16


def test_the_key_names_what_changes_the_velocity(family):
    pipe = family.pipeline()
    keys = [family.model(pipe, **change).key for change in family.changes]
    assert len(set(keys)) == len(keys)
    for expected, options in family.keys:
        assert family.model(pipe, **options).key == expected
    for options in family.ignored:
        assert family.model(pipe, **options).key == keys[0]


def test_only_the_mini_has_prompts_of_its_own(family):
    assert family.recipe().prompts(3) == []
    mini = family.recipe_type(path=family.mini)
    assert mini.prompts(2) == mini.prompts(7)[:2]
    assert len(mini.prompts(7)) == 7


def test_the_minis_name_stands_for_its_folder(family, save, monkeypatch):
    folder = save(family)
    monkeypatch.setattr(fastflow_minis, "folder", {family.mini: folder}.get, raising=False)
    model = family.recipe(path=family.mini).load()
    assert model.key.startswith(f"{family.name}({family.mini}, ")
    assert model.pipe.config._name_or_path == str(folder)


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
        ("hunyuan_video", HunyuanVideo()),
        (
            "hunyuan_video_mini",
            HunyuanVideo(
                path="hunyuan_video_mini",
                frames=9,
                height=64,
                width=64,
                fps=8.0,
                guidance_scale=0.0,
                true_cfg_scale=2.0,
                prompt_template="{}",
                crop_start=0,
                max_sequence_length=16,
            ),
        ),
    ],
)
def test_presets_are_the_models_own_settings(name, expected):
    config = read([f"model={name}"], "sample", RunSettings)
    assert build("model", config["model"]) == expected
