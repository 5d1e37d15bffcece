"""HunyuanVideo: the pipeline's own numbers, in batches too, and what they cost."""

import numpy as np
import pytest
import torch
from diffusers import HunyuanVideoPipeline
from tiny_pipelines import hunyuan_video

from fastflow import Clip, Request, Sampler
from fastflow.config import build, read
from fastflow.testing import check
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.models.hunyuan_video import (
    HunyuanVideo,
    HunyuanVideoFlow,
)
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.random_arms import RandomArms
from fastflow_plugins.policies.static import Every

PROMPTS = ["a red cat", "two dogs, left of a tree", "", "blue"]
TEMPLATE = "a video: {}"
BOTH = pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5], ids=["plain", "true_cfg"])
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
EMBEDDED = pytest.mark.parametrize("guidance_embeds", [True, False], ids=["embedded", "without"])


def _recipe(**options):
    usual = {"path": "tiny", "frames": 5, "height": 16, "width": 32, "max_sequence_length": 24}
    return HunyuanVideo(**usual | {"prompt_template": TEMPLATE, "crop_start": 9} | options)


def _requests(count=1, steps=6, **options):
    return [Request(i, PROMPTS[i % 4], 3 + i, steps, **options) for i in range(count)]


def _samples(model, requests, policy=None, **options):
    sampler = Sampler(model, policy or Never(), Linear(), Interpolate(), **options)
    return sorted(sampler.generate(requests), key=lambda sample: sample.request.index)


def _pipe_call(pipe, recipe, request, output_type):
    """Calls the pipeline as its users do."""
    template = {"template": recipe.prompt_template, "crop_start": recipe.crop_start}
    own = {} if recipe.prompt_template is None else {"prompt_template": template}
    return pipe(
        request.prompt,
        negative_prompt=recipe.negative_prompt,
        true_cfg_scale=recipe.true_cfg_scale,
        guidance_scale=recipe.guidance_scale,
        height=recipe.height,
        width=recipe.width,
        num_frames=recipe.frames,
        max_sequence_length=recipe.max_sequence_length,
        num_inference_steps=request.steps,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type=output_type,
        **own,
    ).frames[0]


def _assert_identical(pipe, recipe, requests, model=None):
    samples = _samples(model or HunyuanVideoFlow(pipe, recipe), requests, max_batch=1)
    for sample, request in zip(samples, requests, strict=True):
        assert torch.equal(sample.x[0], _pipe_call(pipe, recipe, request, "latent"))
        frames = _pipe_call(pipe, recipe, request, "pil")
        assert isinstance(sample.output, Clip)
        assert sample.output.size == (recipe.width, recipe.height)
        assert len(sample.output.frames) == recipe.frames
        theirs = np.stack([np.asarray(frame) for frame in frames])
        np.testing.assert_array_equal(sample.output.pixels(), theirs)


@BOTH
@EMBEDDED
@DTYPES
def test_without_skips_latents_and_frames_are_the_pipelines(
    dtype, guidance_embeds, true_cfg_scale
):
    pipe = hunyuan_video.pipeline(dtype, guidance_embeds=guidance_embeds)
    recipe = _recipe(true_cfg_scale=true_cfg_scale, negative_prompt="ugly", guidance_scale=2.0)
    _assert_identical(pipe, recipe, _requests(2, steps=4))


@pytest.mark.parametrize(
    ("frames", "height", "width", "steps"), [(1, 16, 16, 1), (9, 48, 16, 3), (5, 16, 64, 11)]
)
def test_frames_sizes_and_steps_do_not_change_that(frames, height, width, steps):
    recipe = _recipe(frames=frames, height=height, width=width)
    _assert_identical(hunyuan_video.pipeline(), recipe, _requests(1, steps))


@pytest.mark.parametrize(
    "options", [{"shift": 3.0}, {"shift_terminal": 0.1}, {"use_karras_sigmas": True}], ids=str
)
def test_schedulers_do_not_change_that(options):
    _assert_identical(hunyuan_video.pipeline(**options), _recipe(), _requests(1, 5))


def test_the_pipelines_own_template_does_not_change_that():
    recipe = _recipe(prompt_template=None, crop_start=None, max_sequence_length=512)
    _assert_identical(hunyuan_video.pipeline(), recipe, _requests(1, 2))


def test_the_tokens_of_an_own_template_are_counted():
    pipe = hunyuan_video.pipeline()
    counted = HunyuanVideoFlow(pipe, _recipe(crop_start=None))
    length = len(pipe.tokenizer("a video: ").input_ids)
    given = HunyuanVideoFlow(pipe, _recipe(crop_start=length))
    (a,), (b,) = (_samples(model, _requests(steps=3)) for model in (counted, given))
    assert torch.equal(a.x, b.x)


def _told(pipe, function):
    """Returns what the transformer was told in each call that a function makes."""
    told = []

    def listen(module, arguments, options):
        told.append({k: v.clone() for k, v in options.items() if torch.is_tensor(v)})

    with pipe.transformer.register_forward_pre_hook(listen, with_kwargs=True):
        function()
    return told


@EMBEDDED
def test_the_transformer_is_told_what_the_pipeline_tells_it(guidance_embeds):
    pipe = hunyuan_video.pipeline(torch.bfloat16, guidance_embeds=guidance_embeds)
    recipe = _recipe(true_cfg_scale=2.5, negative_prompt="ugly")
    (request,) = _requests(steps=7)
    ours = _told(pipe, lambda: _samples(HunyuanVideoFlow(pipe, recipe), [request]))
    theirs = _told(pipe, lambda: _pipe_call(pipe, recipe, request, "latent"))
    assert len(ours) == len(theirs) == 14
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


def test_latents_and_times_are_rounded_from_the_second_step_on():
    pipe = hunyuan_video.pipeline(torch.bfloat16)
    model = HunyuanVideoFlow(pipe, _recipe())
    (request,) = _requests(steps=9)
    told = _told(pipe, lambda: _samples(model, [request]))
    assert model.prepare(request).x.dtype is torch.float32
    assert [call["timestep"].dtype for call in told] == [torch.float32] + 8 * [torch.bfloat16]
    assert {call["hidden_states"].dtype for call in told} == {torch.bfloat16}
    assert _samples(model, [request])[0].x.dtype is torch.bfloat16


def test_a_requests_negative_prompt_comes_before_the_recipes():
    pipe = hunyuan_video.pipeline()
    model = HunyuanVideoFlow(pipe, _recipe(true_cfg_scale=3.0, negative_prompt="ugly"))
    (sample,) = _samples(model, _requests(negative_prompt="dark"))
    expected = _recipe(true_cfg_scale=3.0, negative_prompt="dark")
    (request,) = _requests()
    assert torch.equal(sample.x[0], _pipe_call(pipe, expected, request, "latent"))
    (other,) = _samples(model, [request])
    assert not torch.equal(sample.x, other.x)


def test_prompt_seed_guidance_and_template_matter():
    pipe = hunyuan_video.pipeline()
    (first,) = _samples(HunyuanVideoFlow(pipe, _recipe()), [Request(0, "a cat", 1, 4)])
    for request, options in [
        (Request(0, "a dog", 1, 4), {}),
        (Request(0, "a cat", 2, 4), {}),
        (Request(0, "a cat", 1, 4), {"guidance_scale": 9.0}),
        (Request(0, "a cat", 1, 4), {"prompt_template": "a film of {} and"}),
    ]:
        (other,) = _samples(HunyuanVideoFlow(pipe, _recipe(**options)), [request])
        assert not torch.equal(first.x, other.x)


@BOTH
@pytest.mark.parametrize(
    "policy", [RandomArms(arms=(0, 1, 3)), Every(interval=2)], ids=["random_arms", "every"]
)
def test_a_batch_gives_what_its_samples_give_alone(policy, true_cfg_scale):
    recipe = _recipe(true_cfg_scale=true_cfg_scale)
    model = HunyuanVideoFlow(hunyuan_video.pipeline(), recipe)
    requests = _requests(6, steps=10)  # prompts of four lengths, one of them empty
    together = _samples(model, requests, policy, max_batch=4)
    alone = _samples(model, requests, policy, max_batch=1)
    for a, b in zip(together, alone, strict=True):
        assert a.computed == b.computed
        # other matrix shapes sum in another order: float32 rounding (1e-7), grown by 10 steps
        torch.testing.assert_close(a.x, b.x, rtol=1e-5, atol=1e-5)


@BOTH
@DTYPES
def test_it_keeps_every_rule_of_flow_models(dtype, true_cfg_scale):
    recipe = _recipe(true_cfg_scale=true_cfg_scale)
    check(HunyuanVideoFlow(hunyuan_video.pipeline(dtype), recipe), prompt="a red cat")


def test_the_recipe_keeps_every_rule_of_adapters():
    check(HunyuanVideo())


@BOTH
@pytest.mark.parametrize("policy", [Never(), Every(interval=3)], ids=["never", "every"])
def test_counted_calls_are_the_transformers(policy, true_cfg_scale):
    pipe = hunyuan_video.pipeline()
    model = HunyuanVideoFlow(pipe, _recipe(true_cfg_scale=true_cfg_scale))
    samples, requests = [], _requests(2, steps=10)
    made = _told(pipe, lambda: samples.extend(_samples(model, requests, policy, max_batch=1)))
    branches = 2 if true_cfg_scale > 1 else 1
    assert model.calls_per_velocity == branches
    assert sum(sample.calls for sample in samples) == len(made)
    assert len(made) == branches * sum(len(sample.computed) for sample in samples)
    assert {len(s.computed) for s in samples} == {10 if isinstance(policy, Never) else 4}


def test_the_users_pipeline_and_its_scheduler_are_left_alone():
    pipe = hunyuan_video.pipeline()
    pipe.scheduler.set_timesteps(7)
    pipe.scheduler.set_begin_index(2)
    before = dict(vars(pipe.scheduler))
    _samples(HunyuanVideoFlow(pipe, _recipe()), _requests(2, steps=4))
    after = vars(pipe.scheduler)
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


@EMBEDDED
@DTYPES
def test_the_probe_is_the_first_blocks_modulated_input(dtype, guidance_embeds):
    pipe = hunyuan_video.pipeline(dtype, guidance_embeds=guidance_embeds)
    model = HunyuanVideoFlow(pipe, _recipe())
    problems = [model.prepare(request) for request in _requests(2, steps=4)]
    x = torch.cat([problem.x for problem in problems])
    t = problems[0].grid.model_times[[1, 3]]
    conditioning = [problem.conditioning for problem in problems]
    seen = []
    norm = pipe.transformer.transformer_blocks[0].norm1
    with norm.register_forward_hook(lambda _, __, output: seen.append(output[0])):
        model.velocity(x, t, conditioning)
    probe = model.probe(x, t, conditioning)
    assert probe.shape == (2, 2 * 1 * 2, 32)
    assert torch.equal(probe, seen[0])


def test_a_pipeline_loads_from_its_folder(tmp_path):
    hunyuan_video.pipeline().save_pretrained(tmp_path)
    recipe = _recipe(path=str(tmp_path))
    model = recipe.load()
    assert isinstance(model.pipe, HunyuanVideoPipeline)
    _assert_identical(model.pipe, recipe, _requests(2), model)


def test_a_folder_loads_in_another_precision(tmp_path):
    hunyuan_video.pipeline().save_pretrained(tmp_path)
    pipe = _recipe(path=str(tmp_path)).load(dtype="bfloat16").pipe
    parts = [pipe.transformer, pipe.vae, pipe.text_encoder, pipe.text_encoder_2]
    assert {part.dtype for part in parts} == {torch.bfloat16}


def test_the_key_names_what_changes_the_velocity():
    pipe = hunyuan_video.pipeline()
    changes = [
        {},
        {"path": "other"},
        {"frames": 9},
        {"height": 32},
        {"guidance_scale": 1.0},
        {"true_cfg_scale": 2.0},
        {"true_cfg_scale": 2.0, "negative_prompt": "ugly"},
        {"prompt_template": "a film: {}"},
        {"crop_start": 0},
        {"max_sequence_length": 12},
        {"revision": "main"},
    ]
    keys = [HunyuanVideoFlow(pipe, _recipe(**change)).key for change in changes]
    assert len(set(keys)) == len(keys)
    assert HunyuanVideoFlow(pipe, _recipe(fps=3.0)).key == keys[0]
    plain = HunyuanVideoFlow(pipe, _recipe(prompt_template=None, crop_start=None))
    assert plain.key == "hunyuan_video(tiny, 5x16x32, 24, guidance 6.0)"


def test_only_the_mini_has_prompts_of_its_own():
    assert _recipe().prompts(3) == []
    prompts = HunyuanVideo(path="hunyuan_video_mini").prompts(8)
    assert len(set(prompts)) == 8
    assert HunyuanVideo(path="hunyuan_video_mini").prompts(2) == prompts[:2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
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
    assert build(read([f"model={name}"]).model) == expected
