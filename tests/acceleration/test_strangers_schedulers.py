"""Schedulers that strangers wrote, and loops that use a scheduler in ways of their own."""

import contextlib
import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from tiny_pipelines.stranger import StrangersPipeline
from tiny_pipelines.toy import ToyNetwork

import fastflow
from fastflow.acceleration import interceptors_of
from fastflow_plugins.policies.static import Every, Listed

FOURTHS = (0, 3, 6, 9, 11)  # computed of 12 steps


class Euler(FlowMatchEulerDiscreteScheduler):
    """Takes the step in a method that is called by the usual names."""

    def __init__(self):
        super().__init__(shift=3.0)

    def euler(self, v, t, x):
        return super().step(v, t, x, return_dict=False)[0]


def both(pipe, call=lambda pipe: pipe()):
    """Returns a call untouched, with ``never``, and skipping, with the last one's statistics."""
    plain = call(pipe)
    with fastflow.enable(pipe, "never"):
        assert same(call(pipe), plain)
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        found = call(pipe)
    assert not any(map(interceptors_of, (pipe, *pipe.components.values())))
    return plain, found, accelerated.stats


def same(a, b):
    a, b = (list(one) if isinstance(one, (list, tuple)) else [one] for one in (a, b))
    return all(map(torch.equal, a, b))


def error(found, plain):
    return float((found - plain).norm() / plain.norm())


# --- what a step is given, and what it returns ---


class ReturnsMapping(Euler):
    def step(self, model_output, timestep, sample, return_dict=True):
        return {"prev_sample": self.euler(model_output, timestep, sample)}


class ReturnsObject(Euler):
    def step(self, model_output, timestep, sample, return_dict=True):
        return SimpleNamespace(x=self.euler(model_output, timestep, sample))


class ReturnsNothing(Euler):
    def step(self, model_output, timestep, sample, return_dict=True):
        sample.copy_(self.euler(model_output, timestep, sample))


class OtherOrder(Euler):
    def step(self, model_output, sample, timestep, return_dict=True):
        return (self.euler(model_output, timestep, sample),)


class WithoutTime(Euler):
    def step(self, model_output, sample, return_dict=True):
        return (self.euler(model_output, self.timesteps[self.step_index or 0], sample),)


class OtherNames(Euler):
    def step(self, v, t, x, *, return_dict=True):
        return (self.euler(v, t, x),)


def pipeline(scheduler, **methods):
    return type("Pipe", (StrangersPipeline,), methods)(scheduler())


@pytest.mark.parametrize(
    ("scheduler", "take"),
    [
        (ReturnsMapping, lambda self, v, t, x: self.scheduler.step(v, t, x)["prev_sample"]),
        (OtherOrder, lambda self, v, t, x: self.scheduler.step(v, x, t)[0]),
        (OtherOrder, lambda self, v, t, x: self.scheduler.step(v, timestep=t, sample=x)[0]),
        (WithoutTime, lambda self, v, t, x: self.scheduler.step(v, x)[0]),
        (OtherNames, lambda self, v, t, x: self.scheduler.step(x=x, t=t, v=v)[0]),
    ],
)
def test_a_step_of_another_form_is_skipped_like_any(scheduler, take):
    expected = both(StrangersPipeline())
    plain, found, stats = both(pipeline(scheduler, take=take))
    assert torch.equal(plain, expected[0])
    assert torch.equal(found, expected[1])
    assert stats.last.computed == FOURTHS


def nothing(self, v, t, x):
    self.scheduler.step(v, t, x)
    return x


@pytest.mark.parametrize(
    ("scheduler", "take"),
    [
        (ReturnsObject, lambda self, v, t, x: self.scheduler.step(v, t, x).x),
        (ReturnsNothing, nothing),
    ],
)
def test_latents_that_a_step_returns_in_no_known_form_are_computed_and_told(scheduler, take):
    plain, found, stats = both(pipeline(scheduler, take=take))
    assert torch.equal(found, plain)
    assert "in a form that is not known" in stats.warning
    assert stats.calls == 12


def test_latents_in_a_list_are_computed_and_told():
    class InParts(Euler):
        def step(self, model_output, timestep, sample, return_dict=True):
            k, parts = self.step_index, []
            for v, x in zip(model_output, sample, strict=True):
                self._step_index = k
                parts.append(self.euler(v, timestep, x))
            return (parts,)

    def loop(self, x, times):
        parts = list(x.chunk(2, 1))
        for t in times:
            v = self.velocity(torch.cat(parts, 1), t)
            parts = self.scheduler.step(list(v.chunk(2, 1)), t, parts)[0]
        return torch.cat(parts, 1)

    plain, found, stats = both(pipeline(InParts, loop=loop))
    assert torch.equal(found, plain)
    assert "not given a velocity and latents as tensors" in stats.warning


def test_a_step_that_is_called_wrongly_raises_what_it_raises_untouched():
    pipe = pipeline(Euler, take=lambda self, v, t, x: self.scheduler.step(v, t)[0])
    with pytest.raises(TypeError) as untouched:
        pipe()
    with fastflow.enable(pipe, "never"), pytest.raises(TypeError) as found:
        pipe()
    assert str(found.value) == str(untouched.value)


@pytest.mark.parametrize("shape", [(), (5,), (0, 3)])
@pytest.mark.parametrize("policy", ["ucb", Every(interval=3)])
def test_latents_that_are_no_batch_are_computed_and_told(shape, policy):
    def loop(self, x, times):
        x = torch.ones(shape)
        for t in times:
            v = self.velocity(torch.zeros(1, 4, 3) + x.sum(), t).mean()
            x = self.take(v + torch.sin(x), t, x)
        return x

    pipe = pipeline(Euler, loop=loop)
    plain = pipe()
    for one in ("never", policy):
        with fastflow.enable(pipe, one) as accelerated:
            assert torch.equal(pipe(), plain)
        assert "are no batch of samples" in accelerated.stats.warning


def test_a_network_call_that_fails_and_is_tried_again_counts_twice():
    class Failing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network, self.calls = ToyNetwork(), 0

        def forward(self, *args):
            self.calls += 1
            if self.calls in (1, 5, 6):
                raise RuntimeError("no more memory")
            return self.network(*args)

    def velocity(self, x, t):
        for _ in range(3):
            with contextlib.suppress(RuntimeError):
                return StrangersPipeline.velocity(self, x, t)

    for policy in ("never", Every(interval=3)):
        pipe = type("Pipe", (StrangersPipeline,), {"velocity": velocity})(transformer=Failing())
        with fastflow.enable(pipe, policy) as accelerated:
            pipe()
        assert accelerated.stats.calls == pipe.transformer.calls


class DoublesVelocity(Euler):
    def step(self, model_output, timestep, sample, return_dict=True):
        x = self.euler(model_output, timestep, sample)
        model_output.mul_(2)
        return (x,)


class WritesLatents(Euler):
    def step(self, model_output, timestep, sample, return_dict=True):
        return (sample.copy_(self.euler(model_output, timestep, sample)),)


def ignoring(self, v, t, x):
    self.scheduler.step(v, t, x)
    return x


def test_a_scheduler_may_write_into_what_it_is_given():
    expected = both(StrangersPipeline())
    plain, found, stats = both(pipeline(DoublesVelocity))
    assert torch.equal(plain, expected[0])
    assert torch.equal(found, expected[1])
    for methods in ({}, {"take": ignoring}):
        plain, found, stats = both(pipeline(WritesLatents, **methods))
        assert torch.equal(plain, expected[0])
        assert stats.last.computed == FOURTHS
        assert stats.notes[0].startswith("WritesLatents does not take Euler steps")
        assert error(found, plain) < 0.01


class OwnList:
    """A scheduler without a step index, whose configuration is an object of any kind."""

    config = SimpleNamespace(prediction_type="flow_prediction")

    def set_timesteps(self, steps):
        self.sigmas = torch.linspace(1, 0, steps + 1)
        self.timesteps, self.k = self.sigmas[:-1] * 1000, 0

    def step(self, v, t, x, return_dict=True):
        k, self.k = self.k, self.k + 1
        return (x + (self.sigmas[k + 1] - self.sigmas[k]) * v,)


class InMapping(OwnList):
    config = {"prediction_type": "flow_prediction"}  # noqa: RUF012


class TimesInList(OwnList):
    def set_timesteps(self, steps):
        super().set_timesteps(steps)
        self.timesteps = [torch.tensor(t) for t in self.timesteps.tolist()]


@pytest.mark.parametrize("scheduler", [OwnList, InMapping, TimesInList])
def test_a_scheduler_that_is_none_of_diffusers_is_skipped(scheduler):
    plain, found, stats = both(pipeline(scheduler))
    assert stats.last.computed == FOURTHS
    assert error(found, plain) < 0.02


def test_times_that_are_not_the_schedulers_own_are_computed_and_told():
    def loop(self, x, times):
        for t in times:
            x = self.take(self.velocity(x, t), t / 1000, x)
        return x

    plain, found, stats = both(pipeline(OwnList, loop=loop))
    assert torch.equal(found, plain)
    assert "does not show in a list of sigmas which step it takes" in stats.warning


# --- noise, and steps that are Euler's only at first ---


class OwnGenerator(Euler):
    def set_timesteps(self, *args, **kwargs):
        super().set_timesteps(*args, **kwargs)
        self.draw = torch.Generator().manual_seed(1)

    def step(self, model_output, timestep, sample, return_dict=True):
        x = self.euler(model_output, timestep, sample)
        return (x + 0.01 * torch.randn(x.shape, generator=self.draw),)


class OfNumPy(Euler):
    def step(self, model_output, timestep, sample, return_dict=True):
        x = self.euler(model_output, timestep, sample)
        return (x + 0.01 * torch.from_numpy(np.random.default_rng().normal(size=x.shape)).float(),)


class NoisyLater(Euler):
    def step(self, model_output, timestep, sample, return_dict=True):
        later, x = (self.step_index or 0) > 3, self.euler(model_output, timestep, sample)
        return (x + later * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)),)


@pytest.mark.parametrize("scheduler", [OwnGenerator, OfNumPy, NoisyLater])
def test_noise_is_seen_wherever_it_comes_from(scheduler):
    with pytest.raises(ValueError, match="adds noise in every step"):
        fastflow.enable(pipeline(scheduler))


class Multistep(Euler):
    """Adams and Bashforth's: its first step is Euler's."""

    def set_timesteps(self, *args, **kwargs):
        super().set_timesteps(*args, **kwargs)
        self.last = None

    def step(self, model_output, timestep, sample, return_dict=True):
        v = model_output if self.last is None else 1.5 * model_output - 0.5 * self.last
        self.last = model_output
        return (self.euler(v, timestep, sample),)


def test_a_scheduler_whose_later_steps_are_not_eulers_is_told_and_then_not_corrected():
    pipe = pipeline(Multistep)
    plain = pipe()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe()
        assert "later steps are not Euler's" in accelerated.stats.warning
        found = pipe()
        assert accelerated.stats.last.computed == FOURTHS
        assert accelerated.stats.notes[0].startswith("Multistep does not take Euler steps")
    with fastflow.enable(pipe, Every(interval=3), corrector="none"):
        pipe()
        assert torch.equal(pipe(), found)
    assert error(found, plain) < 0.02


# --- where the scheduler stands ---


def edits_sigmas(self, x, times):
    for k, t in enumerate(times):
        x = self.take(self.velocity(x, t), t, x)
        if k == 4:
            self.scheduler.sigmas[6:] *= 0.5
    return x


def other_sigmas(self, x, times):
    for k, t in enumerate(times):
        x = self.take(self.velocity(x, t), t, x)
        if k == 4:
            self.scheduler.sigmas = self.scheduler.sigmas.clone()
    return x


def leaps(self, x, times):
    for k, t in enumerate(times):
        if k not in (5, 6):
            x = self.take(self.velocity(x, t), t, x)
        if k == 4:
            self.scheduler._step_index = 7
    return x


def goes_back(self, x, times):
    for n, k in enumerate([*range(6), *range(3, 12)]):
        if n == 6:
            self.scheduler._step_index = 3
        x = self.take(self.velocity(x, times[k]), times[k], x)
    return x


def two_streams(self, x, times):
    y = x + 1
    for k, t in enumerate(times):
        x = self.take(self.velocity(x, t), t, x)
        self.scheduler._step_index = k
        y = self.take(self.velocity(y, t), t, y)
    return x, y


@pytest.mark.parametrize(
    ("loop", "told"),
    [
        (edits_sigmas, "sigmas were changed after step 4"),
        (other_sigmas, "sigmas were changed after step 4"),
        (leaps, "put to step 7 after step 4"),
        (goes_back, "put to step 3 after step 5"),
        (two_streams, "put to step 0 after step 0"),
    ],
)
def test_a_scheduler_that_does_not_go_on_where_it_was_is_computed_from_there_and_told(loop, told):
    plain, found, stats = both(pipeline(Euler, loop=loop))
    assert told in stats.warning
    for one, other in zip(*((x if isinstance(x, tuple) else (x,)) for x in (found, plain))):
        assert error(one, other) < 0.001
    assert stats.skipped <= 4


def test_windows_may_begin_without_new_timesteps():
    def loop(self, x, times):
        windows = []
        for n in range(3):
            self.scheduler._step_index = None
            windows.append(StrangersPipeline.loop(self, x + n, times))
        return windows

    plain, found, stats = both(pipeline(Euler, loop=loop))
    assert (stats.calls, stats.skipped, stats.last.steps) == (15, 21, 36)
    assert stats.warning == ""
    assert max(map(error, found, plain)) < 0.01


def test_a_network_call_after_the_last_step_is_counted_and_computed():
    def loop(self, x, times):
        x = StrangersPipeline.loop(self, x, times)
        return self.velocity(x, times[-1])

    _, _, stats = both(pipeline(Euler, loop=loop))
    assert (stats.calls, stats.last.computed, stats.warning) == (6, FOURTHS, "")


# --- a second stream ---


def with_other_scheduler(make):
    def loop(self, x, times):
        y, other = x + 1, make(self)
        other.set_timesteps(len(times))
        for t in times:
            v, w = self.velocity(torch.cat([x, y], 1), t).chunk(2, 1)
            x, y = self.take(v, t, x), other.step(w, t, y, return_dict=False)[0]
        return x, y

    return loop


@pytest.mark.parametrize(
    "make",
    [
        lambda pipe: copy.copy(pipe.scheduler),
        lambda pipe: type(pipe.scheduler)(),
        lambda pipe: pipe.scheduler.__class__(),
        lambda pipe: FlowMatchEulerDiscreteScheduler(shift=3.0),
        lambda pipe: pipe.sound_scheduler,
    ],
)
def test_a_second_stream_on_another_scheduler_is_computed_in_full_and_told(make):
    pipe = pipeline(Euler, loop=with_other_scheduler(make))
    pipe.sound_scheduler = Euler()
    plain, found, stats = both(pipe)
    assert same(found, plain)
    assert (stats.calls, stats.skipped) == (12, 0)
    assert "scheduler" in stats.warning
    assert "second stream" in stats.warning
    assert not interceptors_of(pipe.sound_scheduler)


def test_another_scheduler_that_takes_no_steps_changes_nothing():
    pipe = StrangersPipeline()
    pipe.other = Euler()
    _, _, stats = both(pipe)
    assert stats.last.computed == FOURTHS


def test_a_run_of_one_step_is_told_so():
    pipe = StrangersPipeline()
    with fastflow.enable(pipe, Listed(steps=(0,))) as accelerated:
        pipe(steps=1)
    assert "a run of 1 step leaves nothing to skip" in accelerated.stats.warning
