"""Whose call it is: a part may be called by others while its pipeline is being called."""

import copy
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from tiny_pipelines import ltx2
from tiny_pipelines.stranger import StrangersPipeline
from tiny_pipelines.toy import ToyPipeline

import fastflow
from fastflow.acceleration import interceptors_of
from fastflow_plugins.policies.static import Every

THIRDS = (0, 3, 6, 9)


class Within:
    """A callback that does something once, after a step, and keeps the result."""

    def __init__(self, do, step=4):
        self.do, self.step, self.result = do, step, None

    def __call__(self, pipe, k, t, kwargs):
        if k == self.step:
            self.result = self.do(pipe, t, kwargs)
        return {}


def other_pipeline(pipe, t, kwargs):
    return ToyPipeline(transformer=pipe.transformer)(num_inference_steps=6, seed=5)


def twin(pipe, t, kwargs):
    """Another pipeline of the same class that shares the network and a copy of the scheduler."""
    return ToyPipeline(copy.deepcopy(pipe.scheduler), pipe.transformer)(seed=5)


def copied_pipeline(pipe, t, kwargs):
    return copy.deepcopy(pipe)(num_inference_steps=6, seed=5)


def network(pipe, t, kwargs):
    return pipe.transformer(kwargs["latents"], t, kwargs["prompt_embeds"])[0]


@pytest.mark.parametrize("do", [other_pipeline, twin, copied_pipeline, network])
@pytest.mark.parametrize("step", [3, 4, 5])
def test_what_a_callback_calls_is_untouched_and_not_counted(do, step):
    plain, skipping = Within(do, step), Within(do, step)
    pipe = ToyPipeline()
    alone = pipe(callback_on_step_end=plain)
    with fastflow.enable(pipe, "never") as accelerated:
        never = Within(do, step)
        assert torch.equal(pipe(callback_on_step_end=never), alone)
        assert torch.equal(never.result, plain.result)
        assert accelerated.stats.calls == 10
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        without = pipe()
        with_callback = pipe(callback_on_step_end=skipping)
        assert torch.equal(with_callback, without)
        if do is not network:  # latents that are not the plain ones
            assert torch.equal(skipping.result, plain.result)
        assert [run.computed for run in accelerated.stats.per_call] == [THIRDS, THIRDS]


def test_a_callback_may_be_partial_or_a_method():
    def call_network(extra, pipe, k, t, kwargs):
        if k == 4:
            network(pipe, t, kwargs)
        return {}

    class Watcher:
        def watch(self, pipe, k, t, kwargs):
            return call_network(None, pipe, k, t, kwargs)

    pipe = ToyPipeline()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        for callback in (partial(call_network, "extra"), Watcher().watch):
            pipe(callback_on_step_end=callback)
    assert [run.calls for run in accelerated.stats.per_call] == [4, 4]


def test_the_pipeline_itself_may_be_called_in_its_own_callback():
    pipe, other = ToyPipeline(), ToyPipeline()

    def again(pipe, t, kwargs):
        own, scale = pipe.scheduler, pipe.guidance_scale
        pipe.scheduler = type(own).from_config(own.config)
        try:
            return pipe(num_inference_steps=9, seed=7)
        finally:
            pipe.scheduler, pipe.guidance_scale = own, scale

    with fastflow.enable(other, Every(interval=3)):
        expected = other(num_inference_steps=9, seed=7)
    callback = Within(again)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe(callback_on_step_end=callback)
    assert torch.equal(callback.result, expected)
    assert len(accelerated.stats.per_call) == 2


def test_a_pipeline_may_call_an_accelerated_one_within_its_own_call():
    inner, outer = ToyPipeline(), ToyPipeline()
    with fastflow.enable(inner, Every(interval=3)) as a, fastflow.enable(outer, "never") as b:
        outer(callback_on_step_end=Within(lambda *_: inner()))
    assert (a.stats.last.computed, b.stats.last.computed) == (THIRDS, tuple(range(10)))


def test_two_enabled_pipelines_may_share_scheduler_and_network():
    one = ToyPipeline()
    two = ToyPipeline(one.scheduler, one.transformer)
    with (
        fastflow.enable(one, Every(interval=3)) as first,
        fastflow.enable(two, Every(interval=2)) as second,
    ):
        one(), two()
    assert first.stats.last.computed == THIRDS
    assert second.stats.last.computed == (0, 2, 4, 6, 8, 9)
    assert not interceptors_of(one.transformer)


def test_a_second_stream_on_a_copied_scheduler_is_computed_in_full_and_told():
    pipe = ltx2.pipeline()
    plain = ltx2.run(pipe)
    for policy in ("never", Every(interval=3)):
        with fastflow.enable(pipe, policy) as accelerated:
            found = ltx2.run(pipe)
            assert all(map(torch.equal, found, plain))
        assert (accelerated.stats.calls, accelerated.stats.skipped) == (36, 0)
        assert "makes a copy of its scheduler" in accelerated.stats.warning


def test_frames_on_schedulers_of_their_own_are_computed_in_full_and_told():
    class FrameByFrame(ToyPipeline):
        """As in SkyReels V2: every frame has a copy of the scheduler."""

        @torch.no_grad()
        def __call__(self):
            x = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
            self.scheduler.set_timesteps(10)
            frames = [copy.deepcopy(self.scheduler) for _ in range(2)]
            for t in self.scheduler.timesteps:
                v = self.transformer(x, t, torch.zeros(1, 3))[0]
                halves = zip(frames, v.chunk(2, 1), x.chunk(2, 1), strict=True)
                x = torch.cat([s.step(v, t, x, return_dict=False)[0] for s, v, x in halves], 1)
            return x

    pipe = FrameByFrame()
    plain = pipe()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        assert torch.equal(pipe(), plain)
    assert accelerated.stats.calls == 10
    assert "makes a copy of its scheduler" in accelerated.stats.warning


def call_network(pipe, k, t, kwargs):
    if k == 4:
        network(pipe, t, kwargs)
    return {}


class IsModule(torch.nn.Module):
    def forward(self, *args):
        return call_network(*args)


class CallsPartial:
    __call__ = partial(call_network)


class IsStatic:
    @staticmethod
    def __call__(*args):
        return call_network(*args)


@pytest.mark.parametrize(
    "callback",
    [
        IsModule(),
        CallsPartial(),
        IsStatic(),
        torch.no_grad()(call_network),
        partial(torch.no_grad()(call_network)),
        torch.inference_mode()(IsStatic().__call__),
    ],
)
def test_a_callback_may_be_any_callable(callback):
    pipe = ToyPipeline()
    plain = pipe(callback_on_step_end=callback)
    with fastflow.enable(pipe, "never") as accelerated:
        assert torch.equal(pipe(callback_on_step_end=callback), plain)
        assert accelerated.stats.calls == 10
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe(callback_on_step_end=callback)
        assert accelerated.stats.last.computed == THIRDS


class OtherName(ToyPipeline):
    """Takes its callback under another name, and has one of its own."""

    def __call__(self, progress=None, **options):
        mine = getattr(self, "on_step", progress)
        return super().__call__(callback_on_step_end=mine, **options)


@pytest.mark.parametrize("way", ["positional", "other name", "held"])
def test_a_callback_may_be_handed_over_in_any_way(way):
    pipe = ToyPipeline() if way == "positional" else OtherName()
    if way == "held":
        pipe.on_step = call_network
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        if way == "positional":
            pipe(10, 1.0, None, 2.0, (0.0, 1.0), 0, 1, 1, call_network)
        else:
            pipe(progress=call_network)
    assert (accelerated.stats.calls, accelerated.stats.last.computed) == (4, THIRDS)


def test_a_call_with_a_positional_callback_is_not_audited():
    pipe, called = ToyPipeline(), []
    with fastflow.enable(pipe, max_error=0.05):
        for seed in range(3):
            pipe(20, 1.0, None, 2.0, (0.0, 1.0), seed, 1, 1, lambda *_: called.append(1))
    assert len(called) == 60


@torch.no_grad()
def velocity(pipe, x, t):
    return pipe.transformer(x, t, pipe.prompt)[0]


def test_a_pipeline_and_a_callback_may_share_a_decorator():
    class Free(StrangersPipeline):
        @torch.no_grad()
        def __call__(this, callback):
            x = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
            this.prompt = torch.zeros(1, 3)
            this.scheduler.set_timesteps(10)
            for k, t in enumerate(this.scheduler.timesteps):
                x = this.scheduler.step(velocity(this, x, t), t, x, return_dict=False)[0]
                callback(this, k, t, {"latents": x, "prompt_embeds": this.prompt})
            return x

    pipe = Free()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe(torch.no_grad()(call_network))
    assert (accelerated.stats.calls, accelerated.stats.last.computed) == (4, THIRDS)


def in_threads(both):
    """A loop with one or both branches of the guidance in a worker's thread."""

    def loop(self, x, times):
        def branch(prompt):
            with torch.no_grad():
                return self.transformer(x, t, prompt)[0]

        with ThreadPoolExecutor(1) as pool:
            for t in times:
                away = pool.submit(branch, -self.prompt)
                here = pool.submit(branch, self.prompt).result() if both else branch(self.prompt)
                x = self.take(away.result() + 2 * (here - away.result()), t, x)
        return x

    return loop


@pytest.mark.parametrize("both", [False, True])
def test_network_calls_in_other_threads_are_counted_and_all_is_computed_and_told(both):
    pipe = type("Pipe", (StrangersPipeline,), {"loop": in_threads(both)})()
    plain = pipe()
    for policy in ("never", Every(interval=3)):
        with fastflow.enable(pipe, policy) as accelerated:
            assert torch.equal(pipe(), plain)
        assert accelerated.stats.calls == 24
        assert "from other threads" in accelerated.stats.warning


class WithMethod(StrangersPipeline):
    def generate(self):
        return StrangersPipeline.__call__(self)

    def stream(self):
        x = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
        self.prompt = torch.zeros(1, 3)
        self.scheduler.set_timesteps(12)
        for t in self.scheduler.timesteps:
            with torch.no_grad():
                x = self.take(self.velocity(x, t), t, x)
            yield x


class Streaming(WithMethod):
    def __call__(self):
        return self.stream()


class EnablesItself(WithMethod):
    def __call__(self):
        self.accelerated = fastflow.enable(self, Every(interval=3))
        return super().__call__()


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (WithMethod, lambda pipe: pipe.generate()),
        (Streaming, lambda pipe: list(pipe())[-1]),
    ],
)
def test_what_a_pipeline_does_outside_of_a_followed_call_is_untouched_and_told(kind, call):
    pipe = kind()
    plain = call(pipe)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        assert torch.equal(call(pipe), plain)
        assert "outside of a call of pipe(...)" in accelerated.stats.warning


def test_a_call_that_enables_its_own_pipeline_is_untouched_and_told_and_the_next_is_skipped():
    pipe = EnablesItself()
    plain = WithMethod()()
    assert torch.equal(pipe(), plain)
    accelerated = pipe.accelerated
    assert "a call that began before enable()" in accelerated.stats.warning
    pipe.__class__ = WithMethod
    pipe()
    assert (accelerated.stats.calls, accelerated.stats.warning) == (5, "")
    accelerated.disable()
    assert type(pipe) is WithMethod


def test_a_network_may_be_loaded_within_each_call_and_dropped_at_its_end():
    class Lazy(StrangersPipeline):
        def loop(self, x, times):
            self.transformer = self.stored
            try:
                return super().loop(x, times)
            finally:
                self.transformer = None

    pipe = Lazy()
    pipe.stored = pipe.transformer
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        for _ in range(3):
            pipe()
    assert [run.calls for run in accelerated.stats.per_call] == [5, 5, 5]
    assert not interceptors_of(pipe.stored)


def test_a_pipeline_needs_no_configuration():
    pipe = StrangersPipeline()
    del pipe.config
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe()
    assert accelerated.stats.calls == 5
