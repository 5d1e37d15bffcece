"""The oracle: its exact number of computed steps, and what it predicts."""

import functools

import numpy as np
import pytest
import torch
from stand import STEPS, Stand, error, generated, in_full_alone, requests, tiny

from fastflow import Request
from fastflow.evaluation.method import Bench
from fastflow.integration.episode import Scheme
from fastflow.planning import OptimalSchedule
from fastflow.sampling.recording import Recording
from fastflow.sampling.reference import Reference, reference_sampler
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.methods.oracle import Oracle
from fastflow_plugins.methods.skipping import Skipping
from fastflow_plugins.models.mixture import Mixture
from fastflow_plugins.policies.static import Uniform

SCHEME = Scheme(Linear(), Interpolate())


def known(model, asked):
    """Returns a stand whose bench has the reference runs of the requests, with Gram matrices."""
    steps = asked[0].steps
    whole = list(reference_sampler(model, Reference(gram=True), max_batch=1).generate(asked))
    bench = Bench(model, steps, Recording.make(model, asked[:1], 1), max_batch=1)
    bench.references = {sample.request.index: sample for sample in whole}
    return Stand(model, bench, asked, whole)


@functools.cache
def mixture():
    model = Mixture().load(dtype="float64")
    return known(model, [Request(i, "", i, 24) for i in range(5)])


@functools.cache
def network():
    return known(tiny(2.5), requests(2))


def grams(stand, indices):
    return np.stack([stand.bench.references[i].feedback.gram for i in indices])


@pytest.mark.parametrize("per_sample", [False, True])
def test_it_makes_the_calls_it_says_and_errs_less_the_more_there_are(per_sample):
    errors, predicted = [], []
    for calls in (6, 9, 14, 24):
        method = Oracle(computed_steps=calls, per_sample=per_sample)
        learned = method.learn(mixture().bench, mixture().asked)
        samples = generated(method, mixture().bench, mixture().asked, learned)
        assert all(sample.calls == len(sample.computed) == calls for sample in samples)
        errors.append(error(samples, mixture().whole))
        predicted.append(learned.facts["predicted_rms"])
    assert errors == sorted(errors, reverse=True)
    assert predicted == sorted(predicted, reverse=True)
    assert errors[-1] == predicted[-1] == 0.0


@pytest.mark.parametrize("calls", [6, 9, 13])
def test_schedules_of_their_own_are_predicted_to_err_less_than_a_shared_one(calls):
    facts = {
        per_sample: Oracle(computed_steps=calls, per_sample=per_sample)
        .learn(mixture().bench, mixture().asked)
        .facts["predicted_rms"]
        for per_sample in (False, True)
    }
    assert 0 < facts[True] < facts[False]


def test_a_shared_schedule_is_the_best_of_hindsight():
    stand, method = mixture(), Oracle(computed_steps=8, longest=5)
    learned = method.learn(stand.bench, stand.asked)
    seen = OptimalSchedule(grams(stand, range(5)), stand.model.grid(24), SCHEME, 5)
    (best,) = seen.best(8)
    assert learned.what == dict.fromkeys(range(5), best)
    assert learned.facts == {"predicted_rms": pytest.approx(seen.cost(best)[0], rel=1e-12)}
    assert (learned.samples, learned.calls) == (5, 5 * 24)


def test_each_samples_own_schedule_is_the_best_of_hindsight_for_it():
    stand, method = mixture(), Oracle(computed_steps=8, per_sample=True)
    learned = method.learn(stand.bench, stand.asked)
    costs = []
    for i in range(5):
        seen = OptimalSchedule(grams(stand, [i]), stand.model.grid(24), SCHEME)
        (best,) = seen.best(8)
        assert learned.what[i] == best
        costs.append(seen.cost(best)[0])
    assert learned.facts["predicted_rms"] == pytest.approx(np.sqrt(np.mean(np.square(costs))))
    samples = generated(method, stand.bench, stand.asked, learned)
    assert {s.request.index: s.computed for s in samples} == learned.what
    assert len(set(learned.what.values())) > 1


def test_one_sample_is_predicted_the_same_either_way():
    stand, asked = mixture(), mixture().asked[2:3]
    shared, own = (
        Oracle(computed_steps=8, per_sample=choice).learn(stand.bench, asked)
        for choice in (False, True)
    )
    assert shared == own


def test_it_is_predicted_to_err_less_than_evenly_spread_steps():
    stand, grid = mixture(), mixture().model.grid(24)
    seen = OptimalSchedule(grams(stand, range(5)), grid, SCHEME)
    (even, *_) = generated(Skipping(policy=Uniform(computed_steps=8)), stand.bench, stand.asked)
    learned = Oracle(computed_steps=8).learn(stand.bench, stand.asked)
    assert learned.facts["predicted_rms"] < seen.cost(even.computed)[0]


def test_on_a_network_with_guidance_a_step_is_two_calls():
    stand = network()
    method = Oracle(computed_steps=5)
    samples = generated(method, stand.bench, stand.asked, method.learn(stand.bench, stand.asked))
    assert [sample.calls for sample in samples] == [10, 10]
    assert error(samples, stand.whole) > 0
    every = Oracle(computed_steps=STEPS)
    learned = every.learn(stand.bench, stand.asked)
    for sample, whole in zip(
        generated(every, stand.bench, stand.asked, learned),
        in_full_alone(stand.model, stand.asked),
        strict=True,
    ):
        assert torch.equal(sample.x, whole.x)


def test_reference_runs_without_gram_matrices_are_refused():
    stand = mixture()
    bench = Bench(stand.model, 24, stand.bench.tuning, max_batch=1)
    bench.references = {s.request.index: s for s in in_full_alone(stand.model, stand.asked)}
    message = (
        r"^the reference runs were made without `Reference\(gram=...\)`, which an oracle needs.$"
    )
    with pytest.raises(ValueError, match=message):
        Oracle().learn(bench, stand.asked)


def test_more_calls_than_steps_are_refused():
    message = "^`computed_steps` must be from 4 to 24 on a grid of 24 steps .*, got 25. Give "
    with pytest.raises(ValueError, match=message):
        Oracle(computed_steps=25).learn(mixture().bench, mixture().asked)


def test_it_is_an_oracle():
    assert Oracle.is_oracle
    assert not Skipping.is_oracle
    assert Oracle().knob.is_computed_steps
