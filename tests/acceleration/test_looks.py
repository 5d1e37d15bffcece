"""What a pipeline does is looked at: it is skipped rightly, or computed in full and told."""

import pytest
import torch
from diffusers import (
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchLCMScheduler,
    SASolverScheduler,
    UniPCMultistepScheduler,
)
from tiny_pipelines import ltx, sd3, wan
from tiny_pipelines.stranger import StrangersPipeline
from tiny_pipelines.toy import ToyNetwork, ToyPipeline

import fastflow
from fastflow.acceleration.seen import InputWatch, direction, leaves
from fastflow_plugins.policies.static import Every, Listed

FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
THIRDS = (0, 3, 6, 9)

# of these solvers' own code, under a new NumPy
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")


def multistep(cls=UniPCMultistepScheduler, **options):
    return cls(**FLOW | options)


def skipping(*gap, steps=10):
    return Listed(steps=tuple(k for k in range(steps) if k not in gap))


def relative(x, full):
    return float((x - full).norm() / full.norm())


# --- where a run begins and ends ---


@pytest.mark.parametrize("scheduler", [FlowMatchEulerDiscreteScheduler, multistep])
@pytest.mark.parametrize("sets_begin", [True, False])
def test_a_run_that_begins_inside_the_grid_is_learned_from_and_skipped(scheduler, sets_begin):
    pipe = ToyPipeline(scheduler(), sets_begin=sets_begin)
    with fastflow.enable(pipe) as accelerated:
        for seed in range(3):
            pipe(num_inference_steps=20, strength=0.6, seed=seed)
    assert accelerated.memory.samples == 3
    first, second, third = accelerated.stats.per_call
    assert (first.steps, first.finished, len(first.computed)) == (12, True, 12)
    assert second.computed == third.computed == accelerated.stats.plan
    assert len(second.computed) == 5


def test_a_run_that_ends_early_is_followed_to_there_from_the_second_call_on():
    pipe = ToyPipeline()
    with fastflow.enable(pipe) as accelerated:
        pipe(num_inference_steps=20, stop_at=15)
        assert accelerated.stats.warning == (
            "the last call ended after 15 of 20 steps: it taught nothing. The next one is "
            "followed to there."
        )
        for seed in (1, 2):
            pipe(num_inference_steps=20, stop_at=15, seed=seed)
        assert [len(run.computed) for run in accelerated.stats.per_call] == [15, 15, 6]
        assert accelerated.stats.last.computed[-1] == 14
        pipe(num_inference_steps=20)  # to the end again: what lies beyond is computed
        assert accelerated.stats.last.computed[-6:] == (14, 15, 16, 17, 18, 19)


def test_windows_of_one_call_are_one_entry():
    pipe = ToyPipeline()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe(windows=3)
    (call,) = accelerated.stats.per_call
    assert call.computed == (*THIRDS, 10, 13, 16, 19, 20, 23, 26, 29)
    assert (call.steps, call.calls, call.skipped, call.finished) == (30, 12, 18, True)
    with fastflow.enable(pipe, "plan", computed_steps=5) as accelerated:
        pipe(windows=3), pipe(windows=3)
    assert [run.calls for run in accelerated.stats.per_call] == [30, 15]


# --- what a step does ---


def test_a_negated_velocity_is_corrected_toward_the_computed_one():
    plain, negated = ToyPipeline(), ToyPipeline(Negating(shift=3.0), sign=-1)
    full = plain()
    assert torch.equal(negated(), full)
    for corrector in ("none", "interpolate"):
        with fastflow.enable(plain, Every(interval=3), corrector=corrector):
            expected = plain()
        with fastflow.enable(negated, Every(interval=3), corrector=corrector):
            assert torch.equal(negated(), expected)


class Negating(FlowMatchEulerDiscreteScheduler):
    def step(self, model_output, *args, **kwargs):
        return super().step(-model_output, *args, **kwargs)


def test_a_velocity_per_token_is_corrected_where_all_tokens_share_the_time():
    from diffusers import LTXConditionPipeline

    parts = dict(ltx.pipeline().components) | {"scheduler": FlowMatchEulerDiscreteScheduler()}
    pipe = LTXConditionPipeline(**parts)
    pipe.set_progress_bar_config(disable=True)

    def run():
        return pipe(**ltx.inputs(num_inference_steps=24, output_type="latent")).frames

    full, errors = run(), {}
    for corrector in ("none", "interpolate"):
        with fastflow.enable(pipe, Every(interval=4), corrector=corrector):
            errors[corrector] = relative(run(), full)
    assert errors["interpolate"] < errors["none"]


class Halving(FlowMatchEulerDiscreteScheduler):
    """Takes half of each step: neither Euler's nor its negative."""

    def step(self, model_output, *args, **kwargs):
        return super().step(model_output / 2, *args, **kwargs)


def test_steps_of_another_kind_are_not_corrected_and_noted():
    pipe = ToyPipeline(Halving(shift=3.0))
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        found = pipe()
    assert accelerated.stats.notes[0].startswith("Halving does not take Euler steps")
    with fastflow.enable(pipe, Every(interval=3), corrector="none"):
        assert torch.equal(pipe(), found)


def test_the_direction_of_a_step_is_seen_in_every_precision():
    x, v = torch.randn(2, 8, 8), torch.randn(2, 8, 8)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        a, b = x.to(dtype), v.to(dtype)
        assert direction(a, b, (x - 0.05 * v).to(dtype), -0.05) == 1
        assert direction(a, b, (x + 0.05 * v).to(dtype), -0.05) == -1
        assert direction(a, b, (x - 0.2 * v).to(dtype), -0.05) == 0
        assert direction(a, b, a, -1e-9) == 1  # too small to be seen
    assert direction(x, v[:1], x, -0.05) == 0


@pytest.mark.parametrize(
    "scheduler",
    [
        FlowMatchLCMScheduler(),
        multistep(DPMSolverMultistepScheduler, algorithm_type="sde-dpmsolver++"),
        multistep(SASolverScheduler),
    ],
    ids=lambda scheduler: type(scheduler).__name__,
)
def test_noise_in_every_step_is_refused_at_once(scheduler):
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match="adds noise in every step"):
        fastflow.enable(ToyPipeline(scheduler))
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ValueError, match="adds noise in every step"):
        fastflow.enable(wan.pipeline(scheduler=lambda: scheduler))


class Noisy(FlowMatchEulerDiscreteScheduler):
    """Adds noise, but only to latents of the pipeline's own size."""

    def step(self, model_output, timestep, sample, return_dict=True):
        (x,) = super().step(model_output, timestep, sample, return_dict=False)
        return (x + 0.01 * torch.randn_like(x),) if x.shape[-1] == 3 else (x,)


def test_noise_that_only_the_first_step_shows_is_told():
    pipe = ToyPipeline(Noisy(shift=3.0))
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe()
    assert accelerated.stats.skipped == 0
    assert "the scheduler's steps add noise" in accelerated.stats.warning


@pytest.mark.parametrize(
    "scheduler",
    [
        multistep(final_sigmas_type="sigma_min"),
        multistep(DEISMultistepScheduler),
        multistep(DPMSolverMultistepScheduler),
    ],
    ids=lambda scheduler: (
        f"{type(scheduler).__name__}-{scheduler.config.final_sigmas_type}"
        if "final_sigmas_type" in scheduler.config
        else type(scheduler).__name__
    ),
)
def test_other_solvers_run_as_untouched_without_skipping(scheduler):
    pipe = ToyPipeline(scheduler)
    plain = pipe()
    with fastflow.enable(pipe, "never"):
        assert torch.equal(pipe(), plain)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        found = pipe()
    assert accelerated.stats.skipped > 0 or accelerated.stats.warning
    assert relative(found, plain) < 0.1


def test_sigmas_that_do_not_fall_are_computed_and_told():
    saturated = ToyPipeline(FlowMatchEulerDiscreteScheduler(shift=1e9))
    plain = saturated()
    for policy in ("never", Every(interval=3)):
        with fastflow.enable(saturated, policy) as accelerated:
            assert torch.equal(saturated(), plain)
        assert accelerated.stats.calls == 10
        assert "sigma does not fall in step 0 of 10" in accelerated.stats.warning


class Restarting(FlowMatchEulerDiscreteScheduler):
    """Goes back up once after four fifths of the grid."""

    def set_timesteps(self, steps):
        super().set_timesteps(steps)
        k = 4 * steps // 5
        self.sigmas[k] = self.sigmas[k - 2]


def test_where_sigma_rises_late_the_steps_from_there_on_are_computed_and_noted():
    pipe = ToyPipeline(Restarting(shift=3.0))
    plain = pipe(num_inference_steps=20)
    with fastflow.enable(pipe, "never"):
        assert torch.equal(pipe(num_inference_steps=20), plain)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe(num_inference_steps=20)
    assert accelerated.stats.last.computed == (0, 3, 6, 9, 12, 14, 15, 16, 17, 18, 19)
    assert any("from there on all is computed" in note for note in accelerated.stats.notes)


def test_a_step_may_be_called_by_names_and_return_an_object():
    class Named(ToyPipeline):
        @torch.no_grad()
        def __call__(self, seed=0):
            x = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(seed))
            self.scheduler.set_timesteps(10)
            for t in self.scheduler.timesteps:
                (v,) = self.transformer(x=x, time=t, prompt=torch.zeros(1, 3))
                x = self.scheduler.step(sample=x, model_output=v, timestep=t).prev_sample
            return x

    pipe = Named()
    plain = pipe()
    with fastflow.enable(pipe, "never"):
        assert torch.equal(pipe(), plain)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe()
    assert accelerated.stats.last.computed == THIRDS


# --- what the velocity is ---


@pytest.mark.parametrize("branches", ["batch", "calls"])
@pytest.mark.parametrize("gap", [(5, 6, 7), (6, 7), (4, 5), (5,)])
def test_nothing_is_predicted_across_the_edge_of_a_guidance_interval(branches, gap):
    pipe = ToyPipeline(branches=branches)
    with fastflow.enable(pipe, skipping(*gap)) as accelerated:
        for _ in range(2):
            pipe(guided=(0.0, 0.5))
    assert 5 in accelerated.stats.last.computed


def test_where_guidance_begins_while_skipping_it_is_exact_in_the_second_call():
    pipe = ToyPipeline(branches="calls")
    with fastflow.enable(pipe, skipping(4, 5, 6)) as accelerated:
        for _ in range(2):
            pipe(guided=(0.5, 1.0))
    first, second = accelerated.stats.per_call
    assert 6 in first.computed  # one late: the step before was not known to differ
    assert 5 in second.computed


def cut_guidance(pipe, k, t, kwargs):
    if k == 4:
        pipe.guidance_scale = 1.0
    return {}


def new_prompt(pipe, k, t, kwargs):
    return {"prompt_embeds": kwargs["prompt_embeds"] * 0.5} if k == 4 else {}


def larger(pipe, k, t, kwargs):
    return {"latents": torch.cat([kwargs["latents"]] * 2, dim=1)} if k == 4 else {}


def fewer(pipe, k, t, kwargs):
    return {name: value[:1] for name, value in kwargs.items()} if k == 4 else {}


@pytest.mark.parametrize("callback", [cut_guidance, new_prompt, larger, fewer])
@pytest.mark.parametrize("branches", ["batch", "calls"])
def test_a_callback_that_changes_the_velocity_ends_the_skipping(callback, branches):
    pipe = ToyPipeline(branches=branches)
    call = {"batch": 2, "callback_on_step_end": callback}
    plain = pipe(**call)
    with fastflow.enable(pipe, skipping(5, 6)) as accelerated:
        found = pipe(**call)
    if callback is new_prompt and branches == "batch":
        return  # both prompts are put together anew in every step: no change can be seen
    assert 5 in accelerated.stats.last.computed
    assert found.shape == plain.shape
    assert relative(found, plain) < 0.02


def test_a_callback_that_edits_latents_in_every_step_does_not_end_the_skipping():
    pipe = ToyPipeline()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe(callback_on_step_end=lambda pipe, k, t, kw: {"latents": kw["latents"] * 0.99})
    assert accelerated.stats.last.computed == THIRDS


def test_guidance_that_a_cutoff_of_diffusers_ends_is_seen_at_once():
    from diffusers.callbacks import SD3CFGCutoffCallback

    pipe = sd3.pipeline()
    with fastflow.enable(pipe, skipping(6, 7, 8, steps=15)) as accelerated:
        cut = SD3CFGCutoffCallback(cutoff_step_ratio=None, cutoff_step_index=5)
        pipe(**sd3.inputs(num_inference_steps=15, output_type="latent", callback_on_step_end=cut))
    assert accelerated.stats.last.computed == (*range(7), *range(9, 15))


def test_a_network_called_by_another_way_is_used_and_told():
    class Direct(ToyPipeline):
        def _velocity(self, x, t, prompt, is_guided):
            return self.transformer.forward(x, t, prompt)[0]

    class Sometimes(ToyPipeline):
        def _velocity(self, x, t, prompt, is_guided):
            call = self.transformer if t > 800 else self.transformer.forward
            return call(x, t, prompt)[0]

    for pipe, seen in (
        (Direct(), "seen before its first step"),
        (Sometimes(), "called no network"),
    ):
        plain = pipe()
        with fastflow.enable(pipe, Every(interval=3)) as accelerated:
            found = pipe()
        assert seen in accelerated.stats.warning
        assert torch.equal(found, plain) == (accelerated.stats.skipped == 0)
        assert relative(found, plain) < 0.05


def test_arguments_are_watched_by_what_they_usually_do():
    watch, prompt = InputWatch(), torch.ones(1, 3)

    def is_new(x, t, prompt, scale=1.0, **more):
        return watch.is_new(0, leaves((x, t), {"prompt": prompt, "scale": scale, **more}))

    x = [torch.zeros(2, 3) for _ in range(9)]
    assert not is_new(x[0], 0.9, prompt)
    assert not is_new(x[1], 0.8, prompt)  # latents and times differ from step to step
    assert not is_new(x[2], 0.7, prompt)
    assert is_new(x[3], 0.6, prompt, scale=0.0)
    assert not is_new(x[4], 0.5, prompt, scale=0.0)
    assert is_new(x[5], 0.4, torch.ones(1, 3), scale=0.0)
    prompt = torch.ones(1, 3)
    assert is_new(x[6], 0.3, prompt, scale=0.0)  # and once more
    prompt.mul_(2)
    assert not is_new(x[7], 0.2, prompt, scale=0.0)  # twice in a row: it differs by itself
    assert is_new(x[8][:1], 0.1, prompt, scale=0.0)
    assert is_new(x[8][:1], 0.1, prompt, scale=0.0, mask=None)


# --- what depends on more than the arguments of a network call ---


class Guided(StrangersPipeline):
    """Has a guidance scale for every step, which no network call shows."""

    scales = (5.0,) * 5 + (-2.0,) * 7

    def loop(self, x, times):
        for scale, t in zip(self.scales, times, strict=True):
            both = torch.cat([-self.prompt, self.prompt])
            a, b = self.transformer(torch.cat([x, x]), t, both)[0].chunk(2)
            x = self.take(a + scale * (b - a), t, x)
        return x


def test_guidance_that_changes_outside_of_the_network_is_seen_and_told():
    pipe = Guided()
    plain = pipe()
    with fastflow.enable(pipe, skipping(1, 2, 4, 5, 6, steps=12)) as accelerated:
        found = pipe()
        assert accelerated.stats.last.computed == (0, 3, 6, 7, 8, 9, 10, 11)
        assert "changed at steps 5 and was seen late" in accelerated.stats.notes[0]
        assert relative(found, plain) < 0.1
        found = pipe()
        assert accelerated.stats.last.computed == (0, 3, 4, 5, 7, 8, 9, 10, 11)
        assert relative(found, plain) < 0.01


def test_guidance_that_changes_before_anything_else_was_skipped_is_exact_in_the_second_call():
    pipe = Guided()
    plain = pipe()
    with fastflow.enable(pipe, skipping(5, 6, 7, steps=12)) as accelerated:
        pipe()
        assert "changed at steps 5 6 and was seen late" in accelerated.stats.notes[0]
        assert relative(pipe(), plain) < 0.01
        assert {4, 5} <= set(accelerated.stats.last.computed)


def test_guidance_that_changes_in_every_step_does_not_end_the_skipping():
    pipe = Guided()
    pipe.scales = [5 - 0.2 * k for k in range(12)]
    plain = pipe()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        found = pipe()
    assert accelerated.stats.last.computed == (0, 3, 6, 9, 11)
    assert relative(found, plain) < 0.02


class WithAdapter(torch.nn.Module):
    """Scales its output as an adapter does, by a number in a mapping."""

    def __init__(self):
        super().__init__()
        self.network, self.scaling = ToyNetwork(), {"adapter": 1.0}

    def forward(self, *args):
        return (self.network(*args)[0] * self.scaling["adapter"],)


def scale_adapter(pipe, kwargs):
    pipe.transformer.scaling["adapter"] = -1.0


def change_weights(pipe, kwargs):
    pipe.transformer.network.layer.weight.mul_(-1)


def change_prompt(pipe, kwargs):
    kwargs["prompt_embeds"].mul_(-1)


@pytest.mark.parametrize("change", [scale_adapter, change_weights, change_prompt])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_callback_may_change_adapters_weights_and_tensors_in_place(change, mode):
    def callback(pipe, k, t, kwargs):
        if k == 4:
            change(pipe, kwargs)
        return {}

    def run(policy):
        pipe = ToyPipeline(transformer=WithAdapter())
        with fastflow.enable(pipe, policy) as accelerated, mode():
            return pipe(guidance=1.0, callback_on_step_end=callback), accelerated.stats

    plain, _ = run("never")
    found, stats = run(skipping(5, 6))
    if change is change_weights and mode is torch.inference_mode:
        return  # weights that are no inference tensors count what is written to them
    assert stats.last.computed == (0, 1, 2, 3, 4, 5, 7, 8, 9)
    assert relative(found, plain) < 0.001


# --- gradients ---


def through(self, x, times):
    start = x.requires_grad_()
    x = StrangersPipeline.loop(self, start, times)
    return torch.cat([x.detach(), *torch.autograd.grad(x.sum(), start)])


def in_every_step(self, x, times):
    for t in times:
        x = x.detach().requires_grad_()
        v = self.velocity(x, t)
        (gradient,) = torch.autograd.grad((v**2).sum(), x)
        x = self.take((v + 0.1 * gradient).detach(), t, x.detach())
    return x


def in_one_step(self, x, times):
    for k, t in enumerate(times):
        with torch.set_grad_enabled(k == 5):
            x = x.detach().requires_grad_(k == 5)
            v = self.velocity(x, t)
            if k == 5:
                v = v + 0.1 * torch.autograd.grad((v**2).sum(), x, retain_graph=True)[0]
            x = self.take(v.detach(), t, x.detach())
    return x


@pytest.mark.parametrize("loop", [through, in_every_step, in_one_step])
def test_where_gradients_are_taken_all_is_computed_and_told(loop):
    def with_gradients(self, x, times):
        with torch.set_grad_enabled(loop is not in_one_step):
            return loop(self, x, times)

    pipe = type("Pipe", (StrangersPipeline,), {"loop": with_gradients})()
    plain = pipe()
    with fastflow.enable(pipe, "never"):
        assert torch.equal(pipe(), plain)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        found = pipe()
    assert "gradients are taken through the network" in accelerated.stats.warning
    assert accelerated.stats.last.computed[-7:] == (5, 6, 7, 8, 9, 10, 11)
    assert relative(found, plain) < 0.01
