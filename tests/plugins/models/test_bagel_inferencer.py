"""A user's own checkout of BAGEL's code skips like our sampler, and is given back as it was."""

import copy
import threading

import pytest
import torch
from tiny_pipelines import bagel, flux
from upstream_bagel import InterleaveInferencer

import fastflow
from fastflow import Request, Sampler
from fastflow.sampling import reference_sampler
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.models.bagel import wrap_bagel
from fastflow_plugins.policies.static import Every

POINTS = 13  # of the time grid: twelve steps
DRAWN = {"image_scale": 1.5, "height": 32, "width": 32}


@pytest.fixture
def inferencer():
    return InterleaveInferencer(bagel.model(**DRAWN))


def latents(inferencer, seed=3, **options):
    return inferencer(text="a cat", seed=seed, num_timesteps=POINTS, **options)["latents"]


def test_without_skips_an_image_is_bit_for_bit_the_untouched_ones(inferencer):
    plain = latents(inferencer)
    with wrap_bagel(inferencer, "never") as wrapped:
        assert torch.equal(latents(inferencer), plain)
    assert wrapped.stats.skipped == 0
    assert wrapped.stats.last.computed == tuple(range(12))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("options", [DRAWN, DRAWN | {"image_scale": 1.0}, bagel.EDIT])
def test_the_sampler_gives_bit_for_bit_what_bagels_own_order_of_calls_gives(options, dtype):
    flow = bagel.model(dtype, **options)
    image = bagel.reference() if options is bagel.EDIT else None
    with flow._precision():
        plain = latents(InterleaveInferencer(flow), image=image)
    (sample,) = reference_sampler(flow).generate([Request(0, "a cat", 3, POINTS - 1, image=image)])
    assert torch.equal(sample.x[0], plain)


@pytest.mark.parametrize("corrector", ["none", "interpolate"])
def test_skipping_is_what_the_sampler_does(inferencer, corrector):
    parts = Linear(), fastflow.installed().get("corrector", corrector)()
    sampler = Sampler(bagel.model(**DRAWN), Every(interval=3), *parts)
    (sample,) = sampler.run([Request(0, "a cat", 3, POINTS - 1)])
    with wrap_bagel(inferencer, Every(interval=3), corrector=corrector) as wrapped:
        assert torch.equal(latents(inferencer), sample.x[0])
    assert wrapped.stats.last.computed == sample.computed
    errors = [o.error for o in sample.feedback.observations]
    assert wrapped.stats.last_errors == pytest.approx(errors)


@pytest.mark.parametrize("with_image", [False, True])
def test_an_edit_is_skipped_too(with_image):
    flow = bagel.model(**bagel.EDIT)
    inferencer = InterleaveInferencer(flow)
    image = bagel.reference() if with_image else None
    sampler = Sampler(flow, Every(interval=3), Linear(), Interpolate())
    (sample,) = sampler.run([Request(0, "a cat", 3, POINTS - 1, image=image)])
    with wrap_bagel(inferencer, Every(interval=3)):
        assert torch.equal(latents(inferencer, image=image), sample.x[0])


def test_counted_calls_are_the_passes_through_the_network(inferencer):
    latents(inferencer)
    reference_sampler = inferencer.model.passes
    with wrap_bagel(inferencer, Every(interval=3)) as wrapped:
        inferencer.model.passes = 0
        latents(inferencer)
    assert wrapped.stats.calls == inferencer.model.passes
    assert wrapped.stats.calls + wrapped.stats.skipped == reference_sampler


def test_the_network_is_called_at_both_sides_of_the_guidance_intervals_edge(inferencer):
    (edge,) = bagel.model(**DRAWN).grid(POINTS - 1).jumps
    with wrap_bagel(inferencer, Every(interval=30)) as wrapped:
        latents(inferencer)
    assert wrapped.stats.last.computed == (0, edge - 1, edge, 11)


def test_a_policy_learns_from_image_to_image_and_its_memory_is_kept(inferencer, tmp_path):
    with wrap_bagel(inferencer, "ucb") as wrapped:
        for seed in range(3):
            latents(inferencer, seed)
        wrapped.memory.save(tmp_path / "memory.json")
    assert [run.skipped > 0 for run in wrapped.stats.per_call] == [False, True, True]
    with wrap_bagel(inferencer, memory=tmp_path / "memory.json", frozen=True) as again:
        latents(inferencer)
    assert again.stats.skipped > 0
    assert again.memory.samples == 3


def test_disabling_leaves_no_trace(inferencer):
    model, kind, plain = inferencer.model, type(inferencer.model), latents(inferencer)
    before = dict(vars(model))
    wrapped = wrap_bagel(inferencer, Every(interval=3))
    assert type(model).__name__ == "Model"
    wrapped.disable()
    wrapped.disable()
    assert type(model) is kind
    assert vars(model) == before
    assert torch.equal(latents(inferencer), plain)


def test_an_image_that_fails_teaches_nothing_and_the_next_one_is_itself(inferencer):
    plain = latents(inferencer)
    with wrap_bagel(inferencer, "never") as wrapped:
        inferencer.model.flow = None
        with pytest.raises(AttributeError):
            inferencer.model.generate_image(plain, None, num_timesteps=POINTS)
        inferencer.model.flow = bagel.model(**DRAWN)
        assert wrapped.stats.per_call == []
        assert torch.equal(latents(inferencer), plain)


def test_a_copied_model_and_another_threads_calls_are_plain(inferencer):
    plain, told = latents(inferencer), {}
    original = inferencer.model._forward_flow

    def listen(**arguments):
        told.update(arguments, x_t=arguments["x_t"].clone())
        return original(**arguments)

    inferencer.model._forward_flow = listen
    latents(inferencer)
    del inferencer.model._forward_flow
    with wrap_bagel(inferencer, Every(interval=3)) as wrapped:
        assert torch.equal(latents(copy.deepcopy(inferencer)), plain)
        answers = []
        other = threading.Thread(
            target=lambda: answers.append(inferencer.model._forward_flow(**told))
        )
        other.start()
        other.join()
        assert wrapped.stats.per_call == []
    assert torch.equal(answers[0], original(**told))


def test_bagels_own_cache_is_not_mixed_with_skipping(inferencer):
    with (
        wrap_bagel(inferencer, "never"),
        pytest.raises(ValueError, match="`enable_taylorseer` counts the computed steps") as raised,
    ):
        latents(inferencer, enable_taylorseer=True)
    assert str(raised.value) == (
        "`enable_taylorseer` counts the computed steps, so it cannot be used while "
        "fastflow skips some. Turn one of the two off."
    )


def test_a_bagel_is_wrapped_once(inferencer):
    with wrap_bagel(inferencer), pytest.raises(ValueError, match="already") as raised:
        wrap_bagel(inferencer.model)
    assert str(raised.value) == (
        "`inferencer` is wrapped already. Call disable() on what wrap_bagel() returned first."
    )


def test_something_else_is_refused():
    with pytest.raises(ValueError, match="must be the InterleaveInferencer") as raised:
        wrap_bagel(flux.pipeline())
    assert str(raised.value) == (
        "`inferencer` must be the InterleaveInferencer of BAGEL's own code, got a FluxPipeline "
        "without `model.generate_image` and `model._forward_flow`. A diffusers pipeline is "
        "accelerated by fastflow.enable(pipe)."
    )
