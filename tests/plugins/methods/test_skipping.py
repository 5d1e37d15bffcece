"""Skipping as a method: what it learns, and what it leaves as it was."""

import copy
import functools

import pytest
import torch
from stand import STEPS, assert_same, error, generated, ordered, requests, stand

from fastflow import Sampler
from fastflow.evaluation.method import Learned
from fastflow.integration.corrector import NoCorrection
from fastflow.integration.extrapolator import Reuse
from fastflow.policies.memory import Memory
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.methods.skipping import Skipping
from fastflow_plugins.policies.bandits.random_arms import RandomArms
from fastflow_plugins.policies.bandits.ucb import UCB
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.published.teacache import TeaCache
from fastflow_plugins.policies.static import Uniform

PROMPTS = requests(4, first=50)
BANDIT = UCB(arms=(0, 1, 2), warmup_samples=1, update_every=2)


@functools.cache
def learned_state():
    """Returns what the bandit learns from the prompts, frozen afterwards or not."""
    return Skipping(policy=BANDIT).learn(stand().bench, PROMPTS)


def test_it_is_the_sampler_with_these_components():
    model, bench, asked, _ = stand()
    parts = Uniform(computed_steps=5), Reuse(), NoCorrection()
    method = Skipping(policy=parts[0], extrapolator=parts[1], corrector=parts[2])
    samples = ordered(Sampler(model, *parts, max_batch=1).generate(asked))
    assert_same(generated(method, bench, asked), samples)
    assert samples[0].calls == 5


def test_without_skipping_it_is_the_full_run_bit_for_bit():
    _, bench, asked, whole = stand()
    assert_same(generated(Skipping(policy=Never()), bench, asked), whole)


def test_a_policy_that_learns_nothing_costs_nothing_beforehand():
    bench = stand().bench
    assert Skipping(policy=Uniform()).learn(bench, PROMPTS) == Learned(None, 0, 0)


def test_it_learns_from_the_requests_it_is_given_as_a_run_would():
    model = stand().model
    learned = learned_state()
    sampler = Sampler(model, BANDIT, Linear(), Interpolate(), max_batch=1)
    samples = list(sampler.run(PROMPTS))
    assert learned.what.to_dict() == sampler.memory.to_dict()
    assert learned.what.samples == learned.samples == len(PROMPTS)
    assert learned.calls == sum(sample.calls for sample in samples) < len(PROMPTS) * STEPS


@pytest.mark.parametrize("frozen", [True, False])
def test_what_was_learned_is_not_changed_by_generating(frozen):
    _, bench, asked, _ = stand()
    method, learned = Skipping(policy=BANDIT, frozen=frozen), learned_state()
    before = learned.what.to_dict()
    first = generated(method, bench, asked, learned)
    assert learned.what.to_dict() == before
    assert not learned.what.frozen
    assert_same(generated(method, bench, asked, learned), first)


def memories(method, monkeypatch):
    """Returns the memories that a method generates with, at their end."""
    _, bench, _, _ = stand()
    learned = learned_state()
    samplers, plain = [], Skipping._sampler

    def sampler(self, bench, policy):
        samplers.append(plain(self, bench, policy))
        return samplers[-1]

    monkeypatch.setattr(Skipping, "_sampler", sampler)
    generated(method, bench, requests(2), learned)
    return learned.what, samplers[-1].memory


def test_frozen_it_only_reads_its_memory(monkeypatch):
    learned, after = memories(Skipping(policy=BANDIT, frozen=True), monkeypatch)
    assert after.frozen
    assert after.to_dict() == learned.to_dict()


def test_unfrozen_it_goes_on_learning(monkeypatch):
    learned, after = memories(Skipping(policy=BANDIT), monkeypatch)
    assert after.samples == learned.samples + 2


def test_frozen_a_sample_does_not_depend_on_the_others():
    _, bench, asked, _ = stand()
    method, learned = Skipping(policy=BANDIT, frozen=True), learned_state()
    together = generated(method, bench, asked, learned)
    assert_same(generated(method, bench, asked[1:], learned), together[1:])


def test_it_calibrates_on_the_tuning_trajectories():
    _, bench, asked, whole = stand()
    method = Skipping(
        policy=TeaCache(threshold=0.2), turns="policy.threshold", high=2.0, calibrates=True
    )
    learned = method.learn(bench, PROMPTS)
    assert learned.what == TeaCache(threshold=0.2).calibrated(bench.tuning)
    assert (learned.samples, learned.calls) == (2, bench.tuning.calls)
    samples = generated(method, bench, asked, learned)
    by_hand = Skipping(policy=learned.what).generate(bench, asked, Learned())
    assert_same(samples, ordered(by_hand))
    assert error(samples, whole) > 0
    assert samples[0].calls < STEPS


def test_the_draws_are_seeded_by_the_bench():
    _, bench, asked, _ = stand()
    method = Skipping(policy=RandomArms(arms=(0, 1, 2)))
    first = generated(method, bench, asked)
    assert_same(generated(method, bench, asked), first)
    other = copy.copy(bench)
    other.seed = 1
    assert [s.computed for s in generated(method, other, asked)] != [s.computed for s in first]


def test_its_knob_turns_any_parameter_of_its_components():
    assert Skipping().knob.is_computed_steps
    assert Skipping().at(7.0) == Skipping(policy=Uniform(computed_steps=7))
    method = Skipping(policy=BANDIT, turns="policy.reward.mu", low=0.1, high=3.0)
    turned = method.at(0.7)
    assert turned.policy.reward.mu == 0.7
    assert turned.policy.arms == BANDIT.arms
    assert method.policy == BANDIT
    whole = Skipping(policy=UCB(), turns="policy.update_every", low=1, high=9, whole=True)
    assert whole.at(3.6).policy.update_every == 4
    with pytest.raises(ValueError, match="`computed_steps` must be 2 or more, got 1"):
        Skipping().at(1.0)


def test_an_empty_memory_is_made_where_nothing_was_learned():
    model, bench, asked, _ = stand()
    samples = generated(Skipping(policy=BANDIT), bench, asked, Learned())
    assert isinstance(BANDIT.empty(model.grid(STEPS)), Memory)
    assert all(torch.isfinite(sample.x).all() for sample in samples)
