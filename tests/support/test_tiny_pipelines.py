"""The tiny pipelines: each case runs, repeats itself and costs what it says."""

import contextlib
from functools import cache, partial

import pytest
import torch
from diffusers import WanPipeline
from tiny_pipelines import flux_images, wan
from tiny_pipelines.cases import FLOWS, NAMED, REFUSED

CALLABLE = [case for case in NAMED.values() if case.calls]


@cache
def _built(case, dtype=torch.float32):
    """Builds each pipeline once; no test changes one."""
    return case.build(dtype)


def _each(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def _each_in_each_precision(cases):
    values = [
        pytest.param(case, dtype, id=f"{case.name}-{dtype}".replace("torch.", ""))
        for case in cases
        for dtype in case.dtypes
    ]
    return pytest.mark.parametrize(("case", "dtype"), values)


@contextlib.contextmanager
def _made(pipe):
    """Lists the denoisers called inside, whether or not a case names them."""
    made = []
    with contextlib.ExitStack() as hooks:
        for name in ("transformer", "transformer_2", "controlnet", "unet"):
            part = pipe.components.get(name)
            if part is not None:
                hooks.enter_context(
                    part.register_forward_pre_hook(lambda *_, name=name: made.append(name))
                )
        yield made


@contextlib.contextmanager
def _stale(pipe, case, step=1):
    """Answers the calls of one step with what the step before was answered."""
    answers = []

    def answer(module, arguments, new):
        context = len(answers) // case.calls_per_step
        answers.append(new)
        return answers[-1 - case.calls_per_step] if context == step else None

    with contextlib.ExitStack() as hooks:
        for name in case.denoisers:
            hooks.enter_context(getattr(pipe, name).register_forward_hook(answer))
        yield


@_each_in_each_precision(CALLABLE)
def test_a_case_runs_repeats_itself_and_calls_what_it_says(case, dtype):
    pipe = _built(case, dtype)
    with _made(pipe) as made:
        first = case.run(pipe)
    assert made == [name for step in case.calls for name in step]
    assert len(made) == case.steps * case.calls_per_step
    assert first.shape == case.shape
    assert first.dtype is dtype
    assert first.isfinite().all()
    assert first.float().std() > 0.01
    torch.manual_seed(1)  # the global generator has no part in it
    assert torch.equal(case.run(pipe), first)


@_each(FLOWS)
def test_prompt_seed_and_each_call_matter(case):
    pipe = _built(case)
    short = partial(case.run, pipe, output_type="latent", num_inference_steps=3)
    latents = short()
    assert not torch.equal(short(prompt="two dogs"), latents)
    assert not torch.equal(short(generator=torch.Generator("cpu").manual_seed(4)), latents)
    with _stale(pipe, case):
        stale = short()
    assert (stale - latents).norm() > 1e-3 * latents.norm()


@_each(NAMED.values())
def test_a_pipeline_is_built_with_the_same_weights_each_time(case):
    before = torch.random.get_rng_state()
    first, second = _built(case), case.build(torch.float32)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.scheduler is not second.scheduler
    for name in case.denoisers:
        ours, theirs = getattr(first, name), getattr(second, name)
        assert ours is not theirs
        assert not ours.training
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)


def test_names_are_unique():
    assert len(NAMED) == len(FLOWS) + len(REFUSED)


def test_the_second_expert_of_wan_takes_over_inside_the_grid():
    switches = {case.name: case.switches for case in FLOWS if case.switches}
    assert switches == {"wan_22": (3,), "wan_22_unipc": (3,)}


def test_the_experts_of_wan_differ():
    pipe = wan.pipeline(experts=2)
    assert not torch.equal(pipe.transformer.proj_out.weight, pipe.transformer_2.proj_out.weight)


def test_half_precision_is_what_loading_gives(tmp_path):
    wan.pipeline(experts=2).save_pretrained(tmp_path)
    loaded = WanPipeline.from_pretrained(tmp_path, dtype=torch.bfloat16)
    built = wan.pipeline(torch.bfloat16, experts=2)
    for name in ("transformer", "transformer_2", "vae", "text_encoder"):
        ours, theirs = getattr(built, name).state_dict(), getattr(loaded, name).state_dict()
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert value.dtype is theirs[key].dtype
            assert torch.equal(value, theirs[key])
    assert torch.equal(NAMED["wan_22"].run(built), NAMED["wan_22"].run(loaded))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("flux_kontext", {"image": None}),
        ("flux_img2img", {"image": flux_images.picture(16, 24).rotate(180)}),
        ("flux_inpaint", {"image": flux_images.picture(16, 24).rotate(180)}),
        ("flux_controlnet", {"controlnet_conditioning_scale": 0.0}),
    ],
)
def test_given_images_matter(name, change):
    case = NAMED[name]
    pipe = _built(case)
    assert not torch.equal(case.run(pipe), case.run(pipe, **change))


def test_diffusers_itself_cannot_call_flux_with_heuns_scheduler():
    case = NAMED["flux_heun"]
    pipe = _built(case)
    assert pipe.scheduler.order == 2
    with pytest.raises(ValueError, match="does not support custom sigmas schedules"):
        case.run(pipe)
