"""Caches in the transformer: honest counts, exact where nothing is left out, no trace after."""

import dataclasses
import functools

import pytest
import torch
from PIL import Image
from stand import (
    STEPS,
    assert_same,
    bench,
    error,
    evaluations,
    generated,
    in_full_alone,
    requests,
    stand,
    tiny,
)

from fastflow.acceleration.interception import interceptors_of
from fastflow_plugins.methods import TeaCacheMethod, cache_dit
from fastflow_plugins.methods.cache_dit import DBCache
from fastflow_plugins.methods.diffusers_caches import FirstBlockCache, MagCache, TaylorSeer

GUIDANCE = pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5], ids=["plain", "true_cfg"])
SKIPPING = [
    FirstBlockCache(threshold=0.3),
    FirstBlockCache(threshold=2.0),
    MagCache(threshold=0.06),
    MagCache(threshold=5.0, longest=3),
    TaylorSeer(),
    TaylorSeer(interval=5, order=1, warm_up=2),
    DBCache(threshold=2.0),
    DBCache(threshold=2.0, first=2, warm_up=1),
    DBCache(threshold=0.4, calibrator="taylor"),
    DBCache(threshold=2.0, calibrator="foca"),
    DBCache(threshold=2.0, calibrator="dmd"),
    TeaCacheMethod(threshold=0.2, coefficients=(0.5, 0.02)),
]
ONE_OF_EACH = [*SKIPPING[::2], SKIPPING[-1]]
COUNTED = [*((m, 1.0) for m in SKIPPING), *((m, 2.5) for m in ONE_OF_EACH)]
WHOLE = [
    FirstBlockCache(threshold=0.0),
    MagCache(threshold=0.0),
    MagCache(threshold=9.0, retention=1.0),
    TaylorSeer(interval=1),
    DBCache(threshold=0.0),
    DBCache(threshold=9.0, warm_up=STEPS),
    TeaCacheMethod(threshold=0.0, coefficients=(0.5, 0.02)),
]


@pytest.mark.parametrize(("method", "true_cfg_scale"), COUNTED, ids=repr)
def test_the_calls_are_the_evaluations_really_made(method, true_cfg_scale):
    model, bench, asked, whole = stand(true_cfg_scale)
    learned = method.learn(bench, bench.tuning.requests)
    with evaluations(model) as made:
        samples = generated(method, bench, asked[:1], learned)
    assert sum(sample.calls for sample in samples) == len(made)
    for sample in samples:
        assert 0 < sample.calls < STEPS * model.calls_per_velocity
        assert len(sample.computed) <= sample.calls
        assert sample.computed[0] == 0
        assert sample.output.size == (24, 16)
    assert error(samples, whole[:1]) > 0
    assert_same(in_full_alone(model, asked[:1]), whole[:1])


@GUIDANCE
@pytest.mark.parametrize("method", WHOLE, ids=repr)
def test_where_nothing_is_left_out_it_is_the_full_run_bit_for_bit(method, true_cfg_scale):
    model, bench, asked, whole = stand(true_cfg_scale)
    assert_same(generated(method, bench, asked[:1]), whole[:1])
    assert_same(in_full_alone(model, asked[:1]), whole[:1])


def state(network):
    """Returns what a cache could have left on a network, and the order of its parts."""
    return list(network.state_dict()), {
        name: (
            type(module),
            sorted(vars(module)),
            {key: len(vars(module)[key]) for key in vars(module) if key.endswith("hooks")},
            getattr(vars(module).get("_diffusers_hook"), "hooks", {}).keys() - {None},
        )
        for name, module in network.named_modules()
    }


@pytest.mark.parametrize("method", ONE_OF_EACH, ids=repr)
def test_an_exception_in_the_middle_leaves_nothing_behind(method, monkeypatch):
    model, bench, asked, whole = stand()
    learned = method.learn(bench, bench.tuning.requests)
    samples = generated(method, bench, asked[:1], learned)
    plain, before, count = model.velocity, state(model.network), [0]

    def velocity(x, t, conditioning):
        count[0] += 1
        if count[0] == 6:
            raise RuntimeError("the model failed")
        return plain(x, t, conditioning)

    with monkeypatch.context() as patch:
        patch.setattr(model, "velocity", velocity)
        with pytest.raises(RuntimeError, match="the model failed"):
            generated(method, bench, asked[:1], learned)
    assert state(model.network) == before
    assert not model.network.is_cache_enabled
    assert not any(interceptors_of(module) for module in model.network.modules())
    assert_same(in_full_alone(model, asked[:1]), whole[:1])
    assert_same(generated(method, bench, asked[:1], learned), samples)


@pytest.mark.parametrize("method", ONE_OF_EACH, ids=repr)
def test_a_sample_does_not_depend_on_the_one_before(method):
    _, bench, asked, _ = stand()
    learned = method.learn(bench, bench.tuning.requests)
    (after_another,) = generated(method, bench, asked, learned)[1:]
    assert_same(generated(method, bench, asked[1:], learned), [after_another])


@pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5])
@pytest.mark.parametrize("method", [MagCache(threshold=0.06), TaylorSeer()], ids=repr)
def test_a_batch_gives_what_its_samples_give_alone(method, true_cfg_scale):
    _, alone, _, _ = stand(true_cfg_scale)
    learned, asked = method.learn(alone, alone.tuning.requests), requests(3)
    ones = generated(method, alone, asked, learned)
    together = generated(method, dataclasses.replace(alone, max_batch=2), asked, learned)
    for one, other in zip(ones, together, strict=True):
        assert (one.calls, one.computed) == (other.calls, other.computed)
        assert torch.allclose(one.x, other.x, atol=1e-5)


def test_edits_are_cut_short_one_at_a_time(monkeypatch):
    """Their pictures may differ in size."""
    model, alone, asked, _ = stand()
    plain, calls = model.prepare, model.velocity
    monkeypatch.setattr(model, "prepare", lambda r: plain(dataclasses.replace(r, image=None)))
    sizes = []
    monkeypatch.setattr(model, "velocity", lambda x, *to: sizes.append(len(x)) or calls(x, *to))
    pictured = [dataclasses.replace(r, image=Image.new("RGB", (8, 8))) for r in asked]
    generated(TaylorSeer(), dataclasses.replace(alone, max_batch=2), pictured)
    assert set(sizes) == {1}


@functools.cache
def on_its_own(method):
    """Returns what a method gives on a network that nothing else was done with."""
    model = tiny()
    return generated(method, bench(model, tuning=1), requests(1))


def test_one_after_the_other_on_one_network_they_give_what_they_give_alone():
    model, asked = tiny(), requests(1)
    shared = bench(model, tuning=1)
    for method in [*ONE_OF_EACH, *ONE_OF_EACH[:3]]:
        assert_same(generated(method, shared, asked), on_its_own(method))


def test_samples_that_are_not_taken_leave_the_network_as_it_was():
    model, bench, asked, whole = stand()
    method = FirstBlockCache(threshold=2.0)
    samples = method.generate(bench, asked, method.learn(bench, []))
    next(samples)
    assert model.network.is_cache_enabled
    samples.close()
    assert not model.network.is_cache_enabled
    assert_same(in_full_alone(model, asked[:1]), whole[:1])


@pytest.mark.parametrize("method", [DBCache(), TeaCacheMethod(coefficients=(1.0, 0.0))], ids=repr)
def test_nothing_at_all_is_left_on_the_network(method):
    """diffusers' own caches leave their empty registries of hooks."""
    model = tiny()
    stand = bench(model, tuning=1)
    before = state(model.network)
    generated(method, stand, requests(1))
    assert state(model.network) == before


@pytest.mark.parametrize("first", [1, 2, 3])
def test_calls_are_counted_however_many_first_blocks_are_computed(first):
    """Of four blocks; those after the first ones are skipped after the warm-up."""
    model, bench, asked, _ = stand()
    with evaluations(model, first - 1) as kept, evaluations(model, -1) as left_out:
        (sample,) = generated(DBCache(threshold=9.0, first=first), bench, asked[:1])
    assert (sample.calls, len(left_out), len(kept)) == (3, 3, STEPS)


def test_as_many_first_blocks_as_there_are_is_refused():
    model, bench, asked, whole = stand()
    message = (
        "^`first` must be at most 3 for a transformer of 4 blocks, got 4: no block would be "
        "left to skip.$"
    )
    with pytest.raises(ValueError, match=message):
        generated(DBCache(first=4), bench, asked)
    assert_same(in_full_alone(model, asked[:1]), whole[:1])


def test_without_cache_dit_its_method_says_how_to_get_it(monkeypatch):
    assert DBCache().unavailable() == ""
    monkeypatch.setattr(cache_dit, "find_spec", lambda name: None)
    assert DBCache().unavailable() == (
        "DBCache was left out: it needs cache-dit (pip install 'fastflow[cache-dit]')."
    )
    assert TaylorSeer().unavailable() == FirstBlockCache().unavailable() == ""


@GUIDANCE
def test_mag_cache_measures_its_magnitudes_on_the_prompts_it_is_given(true_cfg_scale, capfd):
    model, bench, _, _ = stand(true_cfg_scale)
    learned = MagCache(prompts=1).learn(bench, bench.tuning.requests)
    assert capfd.readouterr().out == ""
    assert len(learned.what) == STEPS
    assert learned.what[0] == 1.0
    assert (learned.samples, learned.calls) == (1, STEPS * model.calls_per_velocity)


def test_longest_bounds_what_mag_cache_leaves_out_in_a_row():
    _, bench, asked, _ = stand()
    (sample,) = generated(MagCache(threshold=99.0, longest=2), bench, asked[:1])
    assert sample.arms == (2, 2, 2)


def test_taylor_seer_computes_its_first_steps_and_then_at_its_interval():
    _, bench, asked, _ = stand()
    (sample,) = generated(TaylorSeer(interval=3, warm_up=4), bench, asked[:1])
    assert sample.computed[:4] == (0, 1, 2, 3)
    assert {b - a for a, b in zip(sample.computed[4:], sample.computed[5:])} == {3}


@pytest.mark.parametrize("method", [FirstBlockCache, MagCache, DBCache, TeaCacheMethod])
def test_a_higher_threshold_leaves_out_more(method):
    _, bench, asked, _ = stand()
    learned = method().learn(bench, bench.tuning.requests)
    counts = [
        generated(method(threshold=value), bench, asked[:1], learned)[0].calls
        for value in (0.0, 0.25, 5.0)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == STEPS > counts[-1]


def test_half_precision_stays_half_precision():
    model, asked = tiny(), requests(1)
    model.pipe.to(torch.bfloat16)
    stand, whole = bench(model, tuning=1), in_full_alone(model, asked)
    for method in (FirstBlockCache(threshold=0.0), TaylorSeer(interval=1)):
        assert_same(generated(method, stand, asked), whole)
    for method in (FirstBlockCache(threshold=0.5), TaylorSeer(), SKIPPING[-1]):
        (sample,) = generated(method, stand, asked)
        assert sample.x.dtype == torch.bfloat16
        assert sample.calls < STEPS
