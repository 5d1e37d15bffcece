"""Negative controls: each wrong model breaks exactly the rules that it contradicts."""

from dataclasses import dataclass, replace

import pytest
import torch

from fastflow import Grid
from fastflow.testing import failures
from fastflow_plugins.models.mixture import Mixture, MixtureFlow


class Model(MixtureFlow):
    def __init__(self):
        super().__init__(Mixture(side=3, spread=0.5), "cpu", torch.float64)
        self.seen = 0


class Leaking(Model):
    """Mixes the rows of a batch."""

    def velocity(self, x, t, conditioning):
        v = super().velocity(x, t, conditioning)
        return v + 0.001 * (v.mean(0) - v)


class Lockstep(Model):
    """Uses the time of the first row for all rows."""

    def velocity(self, x, t, conditioning):
        return super().velocity(x, t[:1].expand(len(x)), conditioning)


class Backwards(Model):
    """Steps away from the data."""

    def advance(self, x, v, dsigma):
        return x - dsigma * v


class Overwriting(Model):
    """Overwrites the latents that it receives."""

    def velocity(self, x, t, conditioning):
        v = super().velocity(x, t, conditioning)
        x += 1.0
        return v


class InPlace(Model):
    """Advances in place, and so changes x."""

    def advance(self, x, v, dsigma):
        return x.add_(dsigma * v)


class Unseeded(Model):
    """Draws its noise from the global generator."""

    def prepare(self, request):
        return replace(super().prepare(request), x=torch.randn(1, 9, dtype=torch.float64))


class Counting(Model):
    """Drifts with every call."""

    def velocity(self, x, t, conditioning):
        self.seen += 1
        return super().velocity(x, t, conditioning) * (1 + 1e-13 * self.seen)


class Surprising(Model):
    """Prepares another grid than it promises."""

    def prepare(self, request):
        problem = super().prepare(request)
        return replace(problem, grid=Grid(problem.grid.sigmas**1.5))


class Miscounting(Model):
    """Gives one number of calls too few."""

    def prepare(self, request):
        problem = super().prepare(request)
        return replace(problem, calls=(1,) * (request.steps - 1))

    def calls_of(self, problem, steps):
        return len(steps)


class Overdrawn(Model):
    """Takes more calls in its first step than its `calls_per_velocity`."""

    def prepare(self, request):
        problem = super().prepare(request)
        return replace(problem, calls=(2,) + (1,) * (request.steps - 1))


class Undecided(Model):
    """Decodes to nothing."""

    def decode(self, x, problem):
        pass


class Fragile(Model):
    """Fails for every sample after one that failed."""

    def decode(self, x, problem):
        self.seen += 1
        return super().decode(x, problem)

    def velocity(self, x, t, conditioning):
        v = super().velocity(x, t, conditioning)
        return v if len(x) > 1 or self.seen < 1 else v * torch.nan


class Nameless(Model):
    """Has an empty key."""

    def __init__(self):
        super().__init__()
        self.key = ""


@dataclass(frozen=True, kw_only=True)
class Odd(Mixture):
    """Names the arguments of `load` differently."""

    def load(self, where="cpu", kind="float32"):
        return super().load(where, kind)


WRONG = {
    Leaking: ["a_batch_equals_its_samples_alone"],
    Lockstep: ["a_batch_equals_its_samples_alone"],
    Backwards: ["advances_by_an_euler_step"],
    Overwriting: ["velocity_leaves_its_inputs_unchanged"],
    InPlace: ["advances_by_an_euler_step"],
    Miscounting: ["states_the_calls_of_each_step"],
    Overdrawn: ["states_the_calls_of_each_step"],
    Surprising: ["prepares_the_grid_it_promises"],
    Nameless: ["has_a_key_and_a_number_of_calls"],
    Counting: ["gives_the_same_velocity_whenever_asked", "never_skipping_is_plain_euler"],
    Unseeded: ["prepares_noise_by_the_seed", "never_skipping_is_plain_euler"],
    Undecided: ["decodes_its_latents", "a_sample_that_fails_fails_alone"],
}


@pytest.mark.parametrize(("model", "broken"), WRONG.items(), ids=[w.__name__ for w in WRONG])
def test_breaks_exactly_the_rules_it_contradicts(model, broken):
    assert [b.rule for b in failures(model())] == broken


def test_a_model_that_fails_after_another_sample_failed_is_detected():
    broken = [b.rule for b in failures(Fragile())]
    assert "a_sample_that_fails_fails_alone" in broken


def test_other_names_of_the_arguments_of_load_are_detected():
    assert [b.rule for b in failures(Odd())] == ["loads_onto_a_device_in_a_dtype"]
