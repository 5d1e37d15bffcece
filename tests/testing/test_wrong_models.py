"""Adapters and models that are wrong on purpose break exactly the rule that they should."""

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
    """Lets the rows of a batch look at each other."""

    def velocity(self, x, t, conditioning):
        v = super().velocity(x, t, conditioning)
        return v + 0.001 * (v.mean(0) - v)


class Lockstep(Model):
    """Takes the time of the first row for all."""

    def velocity(self, x, t, conditioning):
        return super().velocity(x, t[:1].expand(len(x)), conditioning)


class Backwards(Model):
    """Steps away from the data."""

    def advance(self, x, v, dsigma):
        return x - dsigma * v


class Overwriting(Model):
    """Scribbles on the latents that it is given."""

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
    """Takes more calls in its first step than it says that any takes."""

    def prepare(self, request):
        problem = super().prepare(request)
        return replace(problem, calls=(2,) + (1,) * (request.steps - 1))


class Undecided(Model):
    """Decodes to nothing."""

    def decode(self, x, problem):
        pass


class Fragile(Model):
    """Cannot take part of its samples failing: it fails for all that come after."""

    def decode(self, x, problem):
        self.seen += 1
        return super().decode(x, problem)

    def velocity(self, x, t, conditioning):
        v = super().velocity(x, t, conditioning)
        return v if len(x) > 1 or self.seen < 1 else v * torch.nan


class Nameless(Model):
    """Fits every memory."""

    def __init__(self):
        super().__init__()
        self.key = ""


@dataclass(frozen=True, kw_only=True)
class Odd(Mixture):
    """Loads by other names."""

    def load(self, where="cpu", kind="float32"):
        return super().load(where, kind)


WRONG = {
    Leaking: ["a_batch_gives_what_its_samples_give_alone"],
    Lockstep: ["a_batch_gives_what_its_samples_give_alone"],
    Backwards: ["advances_by_an_euler_step"],
    Overwriting: ["velocity_leaves_its_inputs_alone"],
    InPlace: ["advances_by_an_euler_step"],
    Miscounting: ["says_what_each_step_costs"],
    Overdrawn: ["says_what_each_step_costs"],
    Surprising: ["prepares_the_grid_it_promises"],
    Nameless: ["names_itself_and_its_calls"],
    Counting: ["gives_the_same_velocity_whenever_asked", "never_skipping_is_plain_euler"],
    Unseeded: ["prepares_by_the_seed", "never_skipping_is_plain_euler"],
    Undecided: ["decodes_its_latents", "a_sample_that_fails_fails_alone"],
}


@pytest.mark.parametrize(("model", "broken"), WRONG.items(), ids=[w.__name__ for w in WRONG])
def test_breaks_exactly_the_rules_it_contradicts(model, broken):
    assert [b.rule for b in failures(model())] == broken


def test_a_model_that_fails_after_another_sample_failed_is_seen():
    found = [b.rule for b in failures(Fragile())]
    assert "a_sample_that_fails_fails_alone" in found


def test_an_adapter_that_loads_by_other_names_is_seen():
    assert [b.rule for b in failures(Odd())] == ["loads_onto_a_device_in_a_dtype"]
