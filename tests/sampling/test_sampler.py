"""The pull driver: batches, updates, failures, clocks."""

import random
import time
from dataclasses import replace

import pytest
import torch

from fastflow import Request, Sampler
from fastflow.integration import Feedback
from fastflow.integration.corrector import NoCorrection
from fastflow.integration.extrapolator import Reuse
from fastflow.testing.rulebook.flow_model_rules import Poisoned
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.models.mixture import Mixture, MixtureFlow
from fastflow_plugins.policies.bandits.epsilon_greedy import EpsilonGreedy
from fastflow_plugins.policies.bandits.random_arms import RandomArms
from fastflow_plugins.policies.never import Never

MODEL = Mixture(side=3, spread=0.4).load(dtype="float64")


def requests(count, steps=16):
    return [Request(index=i, prompt="", seed=100 + i, steps=steps) for i in range(count)]


def sampler(policy, model=MODEL, **options):
    return Sampler(model, policy, Linear(), Interpolate(), **options)


def run(policy, batch, **options):
    """Returns the samples by index, and the sampler."""
    pull = sampler(policy, **options)
    return {s.request.index: s for s in pull.run(batch)}, pull


def assert_alike(a, b):
    assert a.keys() == b.keys()
    for i in a:
        assert a[i].computed == b[i].computed
        assert a[i].propensities == b[i].propensities
        assert (a[i].x - b[i].x).abs().max() < 1e-12


@pytest.mark.parametrize("policy", [Never(), RandomArms()], ids=["never", "random_arms"])
@pytest.mark.parametrize("max_batch", [2, 3, 8])
def test_samples_of_a_batch_equal_those_generated_alone(policy, max_batch):
    alone, _ = run(policy, requests(5), max_batch=1)
    batch, _ = run(policy, requests(5), max_batch=max_batch)
    assert_alike(alone, batch)


def test_samples_do_not_depend_on_their_order():
    todo = requests(6)
    first, _ = run(RandomArms(), todo, max_batch=4)
    random.Random(3).shuffle(todo)
    shuffled, _ = run(RandomArms(), todo, max_batch=4)
    assert_alike(first, shuffled)


def test_every_sample_of_a_batch_decides_for_itself():
    samples, _ = run(RandomArms(), requests(6), max_batch=6)
    assert len({s.computed for s in samples.values()}) >= 5  # of six drawn, two agree


def test_another_run_seed_draws_differently():
    a, _ = run(RandomArms(), requests(3), seed=1)
    b, _ = run(RandomArms(), requests(3), seed=2)
    assert all(a[i].computed != b[i].computed for i in a)


class Counted:
    """Counts the rows of every model call of a mixture."""

    def __init__(self):
        self.rows = []

    def __getattr__(self, name):
        return getattr(MODEL, name)

    def velocity(self, x, t, conditioning):
        self.rows.append(len(x))
        return MODEL.velocity(x, t, conditioning)


def test_finished_rows_make_room_for_the_next_request():
    model = Counted()
    todo = [replace(r, steps=s) for r, s in zip(requests(4), (3, 9, 4, 2))]
    samples, _ = run(Never(), todo, model=model, max_batch=2)
    assert sum(model.rows) == 18 == sum(s.calls for s in samples.values())
    assert model.rows == [2] * 9  # two rows in every call: 3 + 4 + 2 in one, 9 in the other


def test_samples_are_yielded_as_they_finish():
    todo = [replace(r, steps=s) for r, s in zip(requests(3), (9, 3, 4))]
    assert [s.request.index for s in sampler(Never()).run(todo)] == [1, 2, 0]


def test_calls_are_computed_steps_times_guidance_branches():
    model = Mixture(side=3).load()
    model.calls_per_velocity = 2
    samples, _ = run(RandomArms(), requests(3), model=model)
    for s in samples.values():
        assert s.calls == 2 * len(s.computed)
        assert sum(s.arms) + len(s.computed) == 16


class Branching(MixtureFlow):
    """Takes three calls a step in the first half of time, then one."""

    calls_per_velocity = 3

    def prepare(self, request):
        problem = super().prepare(request)
        half = request.steps // 2
        return replace(problem, calls=(3,) * half + (1,) * (request.steps - half))


@pytest.mark.parametrize("max_batch", [1, 3])
def test_the_calls_of_every_step_are_counted_where_they_differ(max_batch):
    model = Branching(Mixture(side=3), "cpu", torch.float64)
    samples, _ = run(RandomArms(), requests(3), model=model, max_batch=max_batch)
    assert len({s.computed for s in samples.values()}) == 3
    for s in samples.values():
        assert s.calls == sum(3 if k < 8 else 1 for k in s.computed)
        assert s.calls_full == 3 * 8 + 8


@pytest.mark.parametrize("max_batch", [2, 5])
def test_learning_does_not_depend_on_the_batch_size(max_batch):
    policy = EpsilonGreedy(epsilon=0.5, update_every=3, arms=(0, 1, 3))
    alone, one = run(policy, requests(9), max_batch=1)
    batch, many = run(policy, requests(9), max_batch=max_batch)
    assert_alike(alone, batch)
    assert one.memory.samples == 9
    assert (one.memory.reward.count == many.memory.reward.count).all()
    assert one.memory.reward.mean == pytest.approx(many.memory.reward.mean, rel=1e-5, abs=1e-9)


def test_the_first_sample_of_a_bandit_runs_unskipped():
    samples, _ = run(EpsilonGreedy(update_every=2), requests(3))
    assert samples[0].computed == tuple(range(16))
    assert samples[0].propensities == {}
    assert len(samples[1].computed) < 16


def test_a_frozen_memory_learns_nothing():
    _, pull = run(EpsilonGreedy(), requests(2))
    before = pull.memory.freeze().to_dict()
    list(pull.run(requests(3)))
    assert pull.memory.to_dict() == before


@pytest.mark.parametrize("max_batch", [1, 2, 4])
def test_a_sample_of_nan_is_marked_and_the_others_go_on(max_batch):
    policy = EpsilonGreedy(arms=(0, 1, 3), warmup_samples=0, update_every=2)
    samples, pull = run(policy, requests(4), model=Poisoned(MODEL), max_batch=max_batch)
    bad = samples.pop(0)
    assert bad.failure == "the latents are not finite (NaN or inf)"
    assert (bad.output, bad.feedback) == (None, Feedback())
    for s in samples.values():
        assert s.failure == ""
        assert torch.isfinite(s.x).all()
        assert s.output is not None
    assert torch.isfinite(torch.tensor(pull.memory.reward.mean)).all()


def test_the_seconds_of_samples_sum_to_no_more_than_the_wall_time():
    begin = time.perf_counter()
    samples, _ = run(Never(), requests(4), max_batch=3)
    wall = time.perf_counter() - begin
    parts = [s.seconds for s in samples.values()]
    assert all(p.encode >= 0 and p.denoise > 0 and p.decode > 0 for p in parts)
    assert 0 < sum(p.encode + p.denoise + p.decode for p in parts) <= wall


def test_a_memory_is_keyed_by_model_grid_and_components():
    key = sampler(EpsilonGreedy()).empty_memory(16).key
    assert key["model"] == repr(Mixture(side=3, spread=0.4))
    assert key["extrapolator"] == "Linear()"
    assert key["grid"] == MODEL.grid(16).digest
    assert {"arms", "steps", "reward"} < set(key)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match=r"^`max_batch` must be 1 or more, got 0\.$"):
        Sampler(MODEL, Never(), Reuse(), NoCorrection(), max_batch=0)
