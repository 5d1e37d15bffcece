"""Accelerated pipelines in use: batches, callbacks, other sizes, errors, threads."""

import copy
import subprocess
import sys
import threading

import pytest
import torch
from diffusers import FirstBlockCacheConfig, FluxImg2ImgPipeline
from PIL import Image
from tiny_pipelines import flux, wan
from tiny_pipelines.cases import NAMED

import fastflow
from fastflow.acceleration.interception import interceptors_of
from fastflow.integration import NoCorrection
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.policies.bandits.ucb import UCB
from fastflow_plugins.policies.plans import Plan
from fastflow_plugins.policies.published import BAG, EasyCache, FlowCast, SeaCache
from fastflow_plugins.policies.static import Every

THIRDS = (0, 3, 6, 9, 11)


def test_the_example_of_the_readme_skips_and_learns(pipe, call):
    with fastflow.enable(pipe, policy="ucb") as accelerated:
        for seed in range(3):
            call(pipe, seed)
    assert accelerated.stats.skipped > 0
    assert accelerated.memory.samples == 3
    assert "3 pipeline calls" in str(accelerated.stats)


def test_an_accelerated_pipeline_ends_at_the_latents_of_the_sampler(pipe, call):
    """Both drivers use the same loop."""
    from fastflow_plugins.models.flux import Flux, FluxFlow

    recipe = Flux(path="tiny", height=flux.HEIGHT, width=flux.WIDTH, max_sequence_length=24)
    parts = Linear(), fastflow.installed().get("corrector", "interpolate")()
    sampler = fastflow.Sampler(FluxFlow(pipe, recipe), Every(interval=3), *parts)
    (sample,) = sampler.run([fastflow.Request(0, "a red cat", 3, 12)])
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        latents = call(pipe)
    assert accelerated.stats.last.computed == sample.computed == THIRDS
    assert torch.equal(latents, sample.x)
    errors = [o.error for o in sample.feedback.observations]
    assert accelerated.stats.last_errors == pytest.approx(errors)


@pytest.mark.parametrize(
    "policy",
    [
        SeaCache(threshold=0.3),
        EasyCache(threshold=0.2),
        FlowCast(threshold=0.2),
        BAG(computed_steps=5),
    ],
    ids=lambda policy: type(policy).__name__,
)
def test_what_a_policy_sees_of_the_latents_is_the_same_in_both_drivers(pipe, call, policy):
    from fastflow_plugins.models.flux import Flux, FluxFlow

    recipe = Flux(path="tiny", height=flux.HEIGHT, width=flux.WIDTH, max_sequence_length=24)
    sampler = fastflow.Sampler(FluxFlow(pipe, recipe), policy, Linear(), NoCorrection())
    (sample,) = sampler.run([fastflow.Request(0, "a red cat", 3, 12)])
    with fastflow.enable(pipe, policy, extrapolator=Linear(), corrector=NoCorrection()) as on:
        latents = call(pipe)
    assert 2 < len(sample.computed) < 12
    assert on.stats.last.computed == sample.computed
    assert torch.equal(latents, sample.x)


def test_disabling_leaves_no_trace(pipe, call):
    call(pipe)
    before = {name: dict(vars(part)) for name, part in parts_of(pipe)}
    classes = {name: type(part) for name, part in parts_of(pipe)}
    accelerated = fastflow.enable(pipe, Every())
    call(pipe)
    assert type(pipe).__name__ == "FluxPipeline"
    assert isinstance(pipe, classes["pipe"])
    accelerated.disable()
    accelerated.disable()
    for name, part in parts_of(pipe):
        assert type(part) is classes[name]
        assert vars(part).keys() == before[name].keys()


def parts_of(pipe):
    names = ("scheduler", "transformer")
    return [("pipe", pipe), *((name, getattr(pipe, name)) for name in names)]


def test_a_batch_has_one_decision_and_the_same_latents_as_its_samples_alone(pipe, call):
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        generators = [torch.Generator().manual_seed(seed) for seed in (3, 4)]
        both = call(pipe, prompt=["a red cat", "two dogs"], generator=generators)
        assert accelerated.stats.last.computed == THIRDS
        assert accelerated.stats.calls == 5
        alone = [call(pipe, 3), call(pipe, 4, prompt="two dogs")]
    torch.testing.assert_close(both, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_several_images_of_one_prompt(pipe, call):
    plain = call(pipe, num_images_per_prompt=3)
    with fastflow.enable(pipe, "never"):
        assert torch.equal(call(pipe, num_images_per_prompt=3), plain)


@pytest.mark.parametrize("batch_error", ["mean", "worst"])
def test_the_error_of_a_batch_is_the_mean_or_the_worst_of_its_samples(pipe, call, batch_error):
    def errors_of(**changes):
        with fastflow.enable(pipe, Every(), batch_error=batch_error) as accelerated:
            call(pipe, **changes)
            return accelerated.stats.last_errors

    rows = zip(errors_of(), errors_of(prompt="two dogs"))
    both = errors_of(
        prompt=["a red cat", "two dogs"],
        generator=[torch.Generator().manual_seed(3) for _ in range(2)],
    )
    of = max if batch_error == "worst" else lambda pair: sum(pair) / 2
    assert both == pytest.approx([of(pair) for pair in rows], rel=1e-3)


def test_a_callback_sees_every_step_and_the_latents_it_returns_are_used(pipe, call):
    seen = []

    def damp(pipe, k, t, kwargs):
        seen.append(k)
        return {"latents": kwargs["latents"] * (0.5 if k == 4 else 1.0)}

    plain, steps = call(pipe, callback_on_step_end=damp), list(seen)
    seen.clear()
    with fastflow.enable(pipe, "never"):
        assert torch.equal(call(pipe, callback_on_step_end=damp), plain)
    assert seen == steps == list(range(12))
    with fastflow.enable(pipe, Every(interval=3)):
        damped, undamped = call(pipe, callback_on_step_end=damp), call(pipe)
    assert not torch.allclose(damped, undamped)


def test_an_interrupted_call_ends_early_and_is_not_learned_from(pipe, call):
    def stop(pipe, k, t, kwargs):
        pipe._interrupt = k == 5
        return kwargs

    with fastflow.enable(pipe, "ucb") as accelerated:
        call(pipe, callback_on_step_end=stop)
        assert not accelerated.stats.last.finished
        assert accelerated.stats.last.computed == (0, 1, 2, 3, 4, 5)
        assert accelerated.memory.samples == 0
        call(pipe)
        assert accelerated.memory.samples == 1


def test_sigmas_step_counts_and_sizes_may_change_from_call_to_call(pipe, call):
    changes = [
        {"num_inference_steps": 12},
        {"num_inference_steps": 20},
        {"height": 32, "width": 32},
        {"sigmas": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.2, 0.1], "num_inference_steps": 9},
        {"num_inference_steps": 12},
    ]
    plain = [call(pipe, **change) for change in changes]
    with fastflow.enable(pipe, "never"):
        for change, latents in zip(changes, plain, strict=True):
            assert torch.equal(call(pipe, **change), latents)
    with fastflow.enable(pipe, UCB(arms=(0, 1, 2))) as accelerated:
        for change in changes:
            call(pipe, **change)
        runs = accelerated.stats.per_call
    assert [run.steps for run in runs] == [12, 20, 12, 9, 12]
    # every grid has a memory of its own; the last call uses the first one's
    assert [run.skipped > 0 for run in runs] == [False, False, False, False, True]


def test_two_pipelines_at_once_do_not_affect_each_other(call):
    one, two = flux.pipeline(), flux.pipeline(guidance_embeds=False)
    plain = call(one), call(two)
    with (
        fastflow.enable(one, "never") as first,
        fastflow.enable(two, Every()) as second,
    ):
        assert torch.equal(call(one), plain[0])
        assert not torch.equal(call(two), plain[1])
    assert (first.stats.skipped, second.stats.skipped) == (0, 5)


def test_a_pipeline_that_shares_parts_with_an_accelerated_one_is_not_affected(pipe, call):
    other = FluxImg2ImgPipeline.from_pipe(pipe)
    other.set_progress_bar_config(disable=True)
    case = NAMED["flux_img2img"]
    plain = case.run(other)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        assert torch.equal(case.run(other), plain)
        assert accelerated.stats.per_call == []
        with fastflow.enable(other, Every()) as both:
            with pytest.warns(UserWarning, match="5 steps leave little"):
                skipped = case.run(other)
            call(pipe)
        assert not torch.equal(skipped, plain)
        assert both.stats.last.computed == (0, 2, 4)
        assert accelerated.stats.last.computed == THIRDS
    assert not interceptors_of(pipe.transformer)
    assert torch.equal(case.run(other), plain)


def test_a_copy_of_an_accelerated_pipeline_does_not_skip(pipe, call):
    plain = call(pipe)
    with fastflow.enable(pipe, Every()) as accelerated:
        assert torch.equal(call(copy.deepcopy(pipe)), plain)
        assert accelerated.stats.per_call == []


def test_a_compiled_transformer_stays_one_graph(pipe, call):
    plain = call(pipe)
    pipe.transformer.compile(fullgraph=True, backend="eager")
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        call(pipe)
        assert accelerated.stats.calls == 5
    with fastflow.enable(pipe, "never"):
        torch.testing.assert_close(call(pipe), plain)


def test_a_transformer_may_be_compiled_or_replaced_while_it_is_enabled(pipe, call):
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        call(pipe)
        pipe.transformer = torch.compile(pipe.transformer, fullgraph=True, backend="eager")
        call(pipe)
        assert [run.calls for run in accelerated.stats.per_call] == [5, 5]
    assert not interceptors_of(pipe.transformer)
    assert not interceptors_of(pipe.transformer._orig_mod)


def test_a_network_may_write_every_output_into_one_buffer(pipe, call):
    """As CUDA graphs do: every call overwrites the output of the call before."""

    def overwrite(module, args, output):
        buffer.resize_as_(output[0]).copy_(output[0])
        return (buffer,)

    buffer = torch.empty(0)
    with fastflow.enable(pipe, Every(interval=3)):
        fresh = call(pipe)
        pipe.transformer.register_forward_hook(overwrite)
        assert torch.equal(call(pipe), fresh)


def test_an_offloaded_transformer_is_loaded_for_computed_steps_only(pipe, call):
    from accelerate.hooks import ModelHook, add_hook_to_module

    class Load(ModelHook):
        loads = 0

        def pre_forward(self, module, *args, **kwargs):
            Load.loads += 1
            return args, kwargs

    for order in ("before", "after"):
        if order == "before":
            add_hook_to_module(pipe.transformer, Load(), append=True)
        with fastflow.enable(pipe, Every(interval=3)):
            if order == "after":
                add_hook_to_module(pipe.transformer, Load(), append=False)
            Load.loads = 0
            call(pipe)
            assert Load.loads == 5


def test_lora_may_be_loaded_before_or_after(pipe, call):
    peft = pytest.importorskip("peft")
    lora = peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
    with fastflow.enable(pipe, "never"):
        pipe.transformer.add_adapter(lora)
        after = call(pipe)
    assert torch.equal(call(pipe), after)
    with fastflow.enable(pipe, "never"):
        assert torch.equal(call(pipe), after)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        call(pipe)
    assert accelerated.stats.calls == 5
    pipe.transformer.delete_adapters("default")
    assert not torch.equal(call(pipe), after)


def test_an_exception_in_the_middle_of_a_call_leaves_nothing_behind(pipe, call):
    plain = call(pipe)

    def fail(pipe, k, t, kwargs):
        if k == 5:
            raise RuntimeError("the callback failed")
        return kwargs

    with fastflow.enable(pipe, UCB(arms=(0, 1, 2))) as accelerated:
        call(pipe)
        before = accelerated.memory.to_list()
        with pytest.raises(RuntimeError, match="the callback failed"):
            call(pipe, callback_on_step_end=fail)
        assert accelerated.memory.to_list() == before
        assert len(accelerated.stats.per_call) == 1
        assert accelerated._calls == []
        call(pipe)
        assert accelerated.stats.last.finished
    assert torch.equal(call(pipe), plain)


def test_a_callback_may_disable_and_all_later_steps_are_computed(pipe, call):
    plain, made = call(pipe), []

    def stop(pipe, k, t, kwargs):
        if k == 4:
            accelerated.disable()
        return {}

    accelerated = fastflow.enable(pipe, Every(interval=3))
    pipe.transformer.register_forward_pre_hook(lambda *_: made.append(1))
    call(pipe, callback_on_step_end=stop)
    assert len(made) == len({0, 3, *range(5, 12)})
    assert not accelerated.stats.last.finished
    assert not interceptors_of(pipe.transformer)
    assert torch.equal(call(pipe), plain)


def test_calls_from_several_threads_wait_for_each_other(pipe, call):
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        alone = {seed: call(pipe, seed) for seed in range(4)}
        found = {}

        def work(seed):
            found[seed] = call(pipe, seed)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {run.computed for run in accelerated.stats.per_call} == {THIRDS}
    assert all(torch.equal(found[seed], alone[seed]) for seed in alone)


def test_a_memory_can_be_saved_and_used_frozen(pipe, call, tmp_path):
    file = tmp_path / "flux.json"
    with fastflow.enable(pipe, "ucb") as accelerated:
        for seed in range(3):
            call(pipe, seed)
        accelerated.memory.save(file)
        learned = accelerated.memory.to_list()
    with fastflow.enable(pipe, "ucb", memory=file, frozen=True) as accelerated:
        first = call(pipe)
        assert torch.equal(call(pipe), first)
        assert accelerated.stats.skipped > 0
        assert accelerated.memory.to_list() == learned
    with fastflow.enable(pipe, "ucb", memory=accelerated.memory) as again:
        assert again.memory is accelerated.memory


def test_a_frozen_memory_without_samples_of_a_grid_computes_every_step(pipe, call, tmp_path):
    file = tmp_path / "flux.json"
    with fastflow.enable(pipe, "plan") as accelerated:
        call(pipe, num_inference_steps=30)
        accelerated.memory.save(file)
    with fastflow.enable(pipe, "plan", memory=file, frozen=True) as accelerated:
        call(pipe, num_inference_steps=30)
        assert accelerated.stats.last.skipped == 11
        assert accelerated.stats.warning == ""
        call(pipe, num_inference_steps=20)
        assert accelerated.stats.last.skipped == 0
    with fastflow.enable(pipe, "plan", memory=file, frozen=True) as accelerated:
        call(pipe, num_inference_steps=20)
    assert accelerated.stats.warning == (
        "memory is frozen and holds nothing for this grid of 20 steps: every step is computed. "
        "Learn with frozen=False first."
    )


def test_the_policy_plan_computes_as_many_steps_as_it_was_asked_for(pipe, call):
    with fastflow.enable(pipe, Plan(computed_steps=7)) as accelerated:
        call(pipe, num_inference_steps=20)
        call(pipe, num_inference_steps=20)
        assert [run.calls for run in accelerated.stats.per_call] == [20, 7]


def test_random_policies_are_seeded(pipe, call):
    def computed(seed):
        with fastflow.enable(pipe, "random_arms", seed=seed) as accelerated:
            for _ in range(2):
                call(pipe, num_inference_steps=30)
            return [run.computed for run in accelerated.stats.per_call]

    assert computed(1) == computed(1)
    assert computed(1) != computed(2)
    assert computed(1)[0] != computed(1)[1]


def test_a_cache_of_the_network_works_in_computed_steps_and_is_noted(pipe, call):
    pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0))
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        call(pipe)
        assert accelerated.stats.calls == 5
        assert accelerated.stats.notes == [
            "transformer has its own FirstBlockCacheConfig, which stays active in the computed "
            "steps"
        ]


def test_a_multistep_scheduler_takes_its_own_steps_without_correction():
    case = NAMED["wan_21_unipc"]
    pipe = case.build(torch.float32)
    with (
        pytest.warns(UserWarning, match="8 steps leave little"),
        fastflow.enable(pipe, Every(interval=3)) as accelerated,
    ):
        case.run(pipe)
    assert accelerated.stats.notes == [
        "UniPCMultistepScheduler does not take Euler steps: velocities are extrapolated, latents "
        "are not corrected, and a plan's weights are not used"
    ]


def test_a_few_step_pipeline_gets_a_warning_and_skips_nothing():
    case = NAMED["flux_schnell"]
    pipe = case.build(torch.float32)
    plain = case.run(pipe)
    with (
        pytest.warns(UserWarning, match="4 steps") as caught,
        fastflow.enable(pipe) as accelerated,
    ):
        assert torch.equal(case.run(pipe), plain)
    assert [str(w.message) for w in caught] == [
        "fastflow: 4 steps leave little to skip: the first and the last are always computed, and "
        "consecutive velocities differ much. Expect small gains and visible changes."
    ]
    assert accelerated.stats.warning.startswith("4 steps leave little to skip")
    assert (
        "Nothing is skipped: `quality` 'high' cannot be kept on a grid of 4 steps"
        in accelerated.stats.warning
    )


def test_importing_and_enabling_loads_no_diffusers():
    code = (
        "import sys, fastflow, torch\n"
        "class Scheduler:\n"
        "    config, order = {'prediction_type': 'flow_prediction'}, 1\n"
        "    def step(self, v, t, x): ...\n"
        "    def set_timesteps(self, n): ...\n"
        "class Pipe:\n"
        "    def __init__(self):\n"
        "        self.scheduler, self.transformer = Scheduler(), torch.nn.Linear(1, 1)\n"
        "        self.components = vars(self).copy()\n"
        "    def __call__(self): ...\n"
        "fastflow.enable(Pipe(), 'ucb').disable()\n"
        "print([m for m in ('diffusers', 'transformers', 'lightning') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def refusal(pipe, **options):
    with pytest.raises(ValueError, match=r"cannot|must|does not") as refused:
        fastflow.enable(pipe, **options)
    assert not interceptors_of(pipe)
    return str(refused.value)


def test_what_cannot_be_accelerated_is_refused_with_the_reason(pipe):
    assert refusal(NAMED["sd3_heun"].build(torch.float32)) == (
        "`pipe` (StableDiffusion3Pipeline) cannot be accelerated: its "
        "FlowMatchHeunDiscreteScheduler is of order 2: each of its steps takes more than one "
        "evaluation. Use a FlowMatchEulerDiscreteScheduler: pipe.scheduler = "
        "FlowMatchEulerDiscreteScheduler.from_config(pipe.scheduler.config)."
    )
    assert refusal(NAMED["stable_diffusion"].build(torch.float32)) == (
        "`pipe` (StableDiffusionPipeline) cannot be accelerated: it has a U-Net, which predicts "
        "noise and not a velocity. Give a diffusers pipeline of a flow-matching model, such as "
        "FluxPipeline, WanPipeline or HunyuanVideoPipeline."
    )
    assert (
        "its DDIMScheduler does not integrate the velocity of a flow-matching model. If its "
        "network does predict a velocity, use a FlowMatchEulerDiscreteScheduler: pipe."
    ) in refusal(NAMED["pixart"].build(torch.float32))
    noisy = flux.pipeline(stochastic_sampling=True)
    assert "adds noise in every step (`stochastic_sampling`)" in refusal(noisy)
    assert "integrates with rising sigmas (`invert_sigmas`)" in refusal(
        flux.pipeline(invert_sigmas=True)
    )
    pipe.scheduler = None
    assert "it has no scheduler with steps that can be skipped" in refusal(pipe)
    assert refusal(Image.new("RGB", (8, 8))).startswith(
        "`pipe` (Image) cannot be accelerated: it has no transformer."
    )


@pytest.mark.parametrize("option", ["stochastic_sampling", "invert_sigmas"])
def test_the_correction_in_a_refusal_works(option):
    pipe = flux.pipeline(**{option: True})
    correction = refusal(pipe).split(": ")[-1].removesuffix(".")
    exec(correction, {"pipe": pipe, "FlowMatchEulerDiscreteScheduler": type(pipe.scheduler)})
    fastflow.enable(pipe).disable()


def test_wrong_arguments_are_refused(pipe, tmp_path):
    with fastflow.enable(pipe), pytest.raises(ValueError, match="accelerated already"):
        fastflow.enable(pipe)
    assert refusal(pipe, batch_error="max") == "`batch_error` must be mean or worst, got 'max'."
    assert refusal(pipe, policy=3) == "`policy` must be a name or an instance of Policy, got 3."
    with pytest.raises(ValueError, match=r"no policy named .ucbb.\. Did you mean .ucb."):
        fastflow.enable(pipe, "ucbb")
    assert "does not exist" in refusal(pipe, memory=tmp_path / "none.json")
    assert fastflow.enable(pipe, "ucb_paper").policy.gamma == 2.0


def test_a_memory_of_another_pipeline_or_other_arms_is_refused(pipe, call, tmp_path):
    file = tmp_path / "memory.json"
    other = wan.pipeline()
    with fastflow.enable(other, UCB(arms=(0, 1))) as accelerated:
        with pytest.warns(UserWarning, match="8 steps leave little"):
            NAMED["wan_21"].run(other)
        accelerated.memory.save(file)
    assert (
        "this memory cannot be loaded: it was learned with other settings "
        "(model: here 'FluxPipeline()', there 'WanPipeline()')"
    ) in refusal(pipe, policy="ucb", memory=file)
    with fastflow.enable(pipe, UCB(arms=(0, 1))) as accelerated:
        call(pipe)
        accelerated.memory.save(file)
    with pytest.raises(ValueError, match=r"\(arms: here \[0, 2\], there \[0, 1\]\)"):
        fastflow.enable(pipe, UCB(arms=(0, 2)), memory=file)


def test_a_scheduler_that_was_replaced_by_one_of_higher_order_is_refused_at_the_call(pipe, call):
    from diffusers import FlowMatchHeunDiscreteScheduler

    with fastflow.enable(pipe, Every()):
        own = pipe.scheduler
        pipe.scheduler = FlowMatchHeunDiscreteScheduler()
        with pytest.raises(ValueError, match="is of order 2"):
            call(pipe)
    assert not interceptors_of(own)
