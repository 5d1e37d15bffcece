"""Pipelines drawn at random: whatever one does in a call, it may be accelerated meanwhile."""

import copy
import gc
import os
import warnings
from dataclasses import dataclass

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_pipelines.toy import ToyNetwork, ToyPipeline

import fastflow
from fastflow.acceleration import interceptors_of, own_class

EXAMPLES = int(os.environ.get("FASTFLOW_EXAMPLES", "200"))
POLICIES = ("plan", "ucb", "every", "random_arms", "thompson", "never")
EVENTS = (
    *("edit", "resize", "batch", "prompt", "guidance", "interrupt", "nan", "fail"),
    *("copy pipeline", "copy scheduler", "other pipeline", "network", "again", "disable"),
    *("new scheduler", "new network"),
)


def euler():
    return FlowMatchEulerDiscreteScheduler(shift=3.0)


def unipc():
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )


def saturated():
    return FlowMatchEulerDiscreteScheduler(shift=1e9)


@dataclass(frozen=True)
class Drawn:
    """What is drawn of a pipeline and of one call."""

    scheduler: object
    pipeline: dict
    call: dict
    events: dict


@st.composite
def drawn(draw):
    steps = draw(st.integers(3, 14))
    first = draw(st.floats(0, 1))
    pipeline = {
        "branches": draw(st.sampled_from(["batch", "calls"])),
        "sets_begin": draw(st.booleans()),
        "sign": draw(st.sampled_from([1, 1, -1])),
    }
    call = {
        "num_inference_steps": steps,
        "strength": draw(st.sampled_from([1.0, 1.0, 0.6, 0.3])),
        "stop_at": draw(st.sampled_from([None, None, max(2, steps - 2)])),
        "guidance": draw(st.sampled_from([1.0, 2.0, 3.5])),
        "guided": draw(st.sampled_from([(0.0, 1.0), (first, 1.0), (0.0, first)])),
        "batch": draw(st.integers(1, 3)),
        "windows": draw(st.sampled_from([1, 1, 1, 2])),
    }
    events = draw(st.dictionaries(st.integers(0, 13), st.sampled_from(EVENTS), max_size=3))
    scheduler = draw(st.sampled_from([euler, euler, unipc, saturated]))
    return Drawn(scheduler, pipeline, call, events)


class Happening:
    """A callback that does what was drawn, and keeps what others return."""

    def __init__(self, events, accelerated=None):
        self.events, self.accelerated, self.results = dict(events), accelerated, []

    def __call__(self, pipe, k, t, kwargs):
        event = self.events.pop(k, "")
        method = getattr(self, event.replace(" ", "_"), None)
        return method(pipe, t, dict(kwargs)) if method else {}

    def edit(self, pipe, t, kwargs):
        return {"latents": kwargs["latents"] * 0.9}

    def resize(self, pipe, t, kwargs):
        return {"latents": torch.cat([kwargs["latents"]] * 2, dim=1)}

    def batch(self, pipe, t, kwargs):
        return {name: value[:1] for name, value in kwargs.items()}

    def prompt(self, pipe, t, kwargs):
        return {"prompt_embeds": kwargs["prompt_embeds"] * 0.5}

    def guidance(self, pipe, t, kwargs):
        pipe.guidance_scale = 1.0

    def interrupt(self, pipe, t, kwargs):
        pipe.interrupt = True

    def nan(self, pipe, t, kwargs):
        return {"latents": kwargs["latents"] * float("nan")}

    def fail(self, pipe, t, kwargs):
        raise RuntimeError("the callback failed")

    def copy_pipeline(self, pipe, t, kwargs):
        other = copy.deepcopy(pipe)
        assert all(type(part) is own_class(part) for part in other.components.values())
        self.results.append(other(num_inference_steps=4))

    def copy_scheduler(self, pipe, t, kwargs):
        other = type(pipe.scheduler).from_config(copy.copy(pipe.scheduler).config)
        assert type(other) is own_class(pipe.scheduler)
        assert type(copy.deepcopy(pipe.scheduler)) is own_class(pipe.scheduler)

    def other_pipeline(self, pipe, t, kwargs):
        other = ToyPipeline(euler(), pipe.transformer)
        self.results.append(other(num_inference_steps=4))

    def network(self, pipe, t, kwargs):
        self.results.append(pipe.transformer(kwargs["latents"], t, kwargs["prompt_embeds"])[0])

    def again(self, pipe, t, kwargs):
        """Calls the pipeline within its own call, on a scheduler of its own."""
        own = pipe.scheduler
        pipe.scheduler = own_class(own).from_config(own.config)
        scale = pipe.guidance_scale
        try:
            self.results.append(pipe(num_inference_steps=4).shape)
        finally:
            pipe.scheduler, pipe.guidance_scale, pipe.interrupt = own, scale, False

    def disable(self, pipe, t, kwargs):
        if self.accelerated is not None:
            self.accelerated.disable()

    def new_scheduler(self, pipe, t, kwargs):
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
        pipe.scheduler.set_timesteps(50)  # its caller's times are among these, or refused

    def new_network(self, pipe, t, kwargs):
        pipe.transformer = type(pipe.transformer)()


def outcome(one, pipe, accelerated=None, calls=3):
    """Returns what calls return or raise, what happened in them, and the network calls made."""
    results, made, happened = [], [], []

    def note(*_):
        if not inside:
            made.append(1)

    inside, networks = [], [pipe.transformer]
    hook = networks[0].register_forward_pre_hook(note)
    for seed in range(calls):
        callback = Happening(one.events, accelerated)

        def watched(*args, callback=callback):
            inside.append(1)
            try:
                return callback(*args)
            finally:
                inside.pop()

        try:
            results.append(pipe(seed=seed, callback_on_step_end=watched, **one.call))
        except Exception as error:  # whatever it raises untouched, it may raise accelerated
            results.append(f"{type(error).__name__}: {error}")
        happened += callback.results
    hook.remove()
    return results, happened, len(made)


def same(a, b):
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0))
    return a == b


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(one=drawn(), policy=st.sampled_from(POLICIES))
def test_a_pipeline_drawn_at_random_may_be_accelerated(one, policy):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = outcome(one, ToyPipeline(one.scheduler(), **one.pipeline))
        for name in ("never", policy):
            pipe = ToyPipeline(one.scheduler(), **one.pipeline)
            before = dict(vars(pipe)), dict(vars(pipe.scheduler))
            accelerated = fastflow.enable(pipe, name)
            parts = [pipe, *pipe.components.values()]
            with accelerated:
                found = outcome(one, pipe, accelerated)
            check(plain, found, accelerated.stats, name == "never", one)
            parts += pipe.components.values()
            assert not any(interceptors_of(part) for part in parts)
            assert all(type(part) is own_class(part) for part in parts)
            assert vars(pipe).keys() >= before[0].keys()


def check(plain, found, stats, is_never, one):
    for a, b in zip(plain[0], found[0], strict=True):
        if is_never or isinstance(a, str):
            assert same(a, b), (a, b)
        else:
            assert isinstance(b, torch.Tensor), b
            assert b.shape == a.shape
    for a, b in zip(plain[1], found[1], strict=True):
        assert not is_never or same(a, b)
    finished = not any(isinstance(result, str) for result in found[0])
    swapped = {"new scheduler", "new network", "disable", "again"} & {*one.events.values()}
    if finished and not swapped:
        assert stats.calls == found[2]
        assert len(stats.per_call) == (len(found[0]) if plain[2] else 0)
    nothing_saved = finished and stats.skipped == 0
    if nothing_saved and not is_never:
        assert stats.warning


def test_classes_of_enabled_parts_are_forgotten_when_they_are_disabled():
    pipe = ToyPipeline()
    for _ in range(3):
        fastflow.enable(pipe, "never").disable()
    gc.collect()
    assert not [cls for cls in ToyNetwork.__subclasses__() if cls.__name__ == "ToyNetwork"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_toy_pipeline_skips_under_every_policy_that_is_drawn(policy):
    pipe = ToyPipeline()
    with fastflow.enable(pipe, policy) as accelerated:
        for seed in range(3):
            pipe(num_inference_steps=20, seed=seed)
    assert (accelerated.stats.skipped > 0) == (policy != "never")
