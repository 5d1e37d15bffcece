"""Halving: what it tries, what it chooses, what it costs, and that nothing of it is lost."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fastflow import Sampler
from fastflow.planning import (
    LinearPlan,
    PlanArm,
    audit_time,
    challenger,
    halved,
    is_better,
    price,
    round_sizes,
)
from fastflow.policies import Memory, Trial
from fastflow.sampling import Request, reference_sampler
from fastflow.sampling.executor import Worker
from fastflow.sampling.storage import load_memory, save_memory
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.models.mixture import Mixture
from fastflow_plugins.policies import Halving, Plan, Uniform

STEPS, POLICY = 24, Halving(computed_steps=7, warmup_samples=4)
REQUESTS = [Request(i, f"sample {i}", 100 + i, STEPS) for i in range(10)]


def sampler(policy=POLICY, **options):
    return Sampler(Mixture().load(dtype="float64"), policy, Linear(), Interpolate(), **options)


@pytest.fixture(scope="module")
def finished():
    """Returns a sampler after its run, with its samples in order."""
    made = sampler()
    return made, sorted(made.run(REQUESTS), key=lambda sample: sample.request.index)


def error(sample):
    (full,) = reference_sampler(Mixture().load(dtype="float64")).generate([sample.request])
    return (sample.x - full.x).square().mean().sqrt().item()


def test_the_first_samples_are_full_and_the_others_have_just_as_many_steps_as_asked(finished):
    counts = [len(sample.computed) for sample in finished[1]]
    assert counts == [STEPS] * 4 + [7] * 6


def test_it_is_closer_than_uniform_skipping_and_than_the_plan_it_started_from(finished):
    own = sum(math.log(error(sample)) for sample in finished[1][4:])
    others = []
    for policy in (Uniform(computed_steps=7), Plan(computed_steps=7)):
        made = sorted(sampler(policy).run(REQUESTS), key=lambda sample: sample.request.index)
        others.append(sum(math.log(error(sample)) for sample in made[4:]))
    assert own < min(others)


def test_the_errors_in_the_table_are_those_of_the_runs(finished):
    made, _ = finished
    arm = max(made.memory.arms, key=lambda arm: len(arm.errors))
    (result,) = made._try([Trial(arm.plan, 0)], references())
    assert math.log(result.error) == pytest.approx(arm.errors[0], abs=1e-6)


def references():
    fresh = sampler()
    return list(fresh.generate(REQUESTS[:4]))


def test_without_neighbours_there_are_none(finished):
    assert not any("moved" in arm.name for arm in finished[0].memory.arms)


def test_the_winner_s_cheapest_neighbours_are_tried_on_all_samples():
    made = sampler(replace(POLICY, neighbours=3))
    list(made.run(REQUESTS[:4]))
    arms = {arm.name: arm for arm in made.memory.arms}
    near = [arm for arm in made.memory.arms if "moved" in arm.name and "refitted" not in arm.name]
    assert len(near) == 3
    for arm in near:
        assert sorted(arm.errors) == [0, 1, 2, 3]
        start, moved = arm.name.split(", moved ")
        change, weights = moved.split(", ")
        old, new = map(int, change.split(" to "))
        origin = arms[f"{start}, {weights}"]
        assert {*arm.plan.nodes} == {*origin.plan.nodes, new} - {old}
    best = min((arm for arm in arms.values() if len(arm.errors) == 4), key=PlanArm.score)
    assert made.memory.chosen == best.plan
    first = sum("moved" not in name and "refitted" not in name for name in arms)
    assert made.memory.learning_calls <= 7 * price(first, 4, 3)
    grid = made.model.grid(STEPS)
    more = made.policy.learning_runs(grid) - POLICY.learning_runs(grid)
    assert more == pytest.approx(3 * 4 * 7 / STEPS)


def test_trials_of_neighbours_that_were_interrupted_go_on():
    policy, whole = replace(POLICY, neighbours=3), []
    for stop in (None, 5):  # how many rounds of trials are seen before the interruption
        made = sampler(policy)
        batch = sorted(made.generate(REQUESTS[:4]), key=lambda sample: sample.request.index)
        made.learn(sample.feedback for sample in batch)
        tries, rounds = made._try, []

        def tried(trials, references, tries=tries, rounds=rounds, stop=stop):
            rounds.append(len(trials))
            if len(rounds) == stop:
                raise KeyboardInterrupt
            return tries(trials, references)

        made._try = tried
        if stop:
            with pytest.raises(KeyboardInterrupt):
                made.tune(REQUESTS[:4], batch)
            assert any("moved" in arm.name for arm in made.memory.arms)
            made._try = tries
        made.tune(REQUESTS[:4], batch)
        whole.append(made.memory)
    assert whole[1].chosen == whole[0].chosen
    assert whole[1].learning_calls == whole[0].learning_calls


def test_every_network_call_of_the_trials_is_counted():
    made, calls = sampler(), []
    plain = made.model.velocity

    def counted(x, t, conditioning):
        calls.append(len(x))
        return plain(x, t, conditioning)

    made.model.velocity = counted
    samples = list(made.run(REQUESTS[:4]))
    assert sum(calls) == sum(s.calls for s in samples) + made.memory.learning_calls
    assert made.memory.learning_calls <= 7 * price(len(made.memory.arms), 4)
    assert POLICY.learning_runs(made.model.grid(STEPS)) == pytest.approx(
        made.memory.learning_calls / STEPS, rel=0.6
    )


def test_batch_size_and_number_of_processes_change_nothing(finished):
    chosen = finished[0].memory.chosen
    alone = sampler(max_batch=1)
    list(alone.run(REQUESTS[:4]))
    assert alone.memory.chosen == chosen

    def first(value):  # what rank 0 gets, if rank 1 does its share as it should
        other = sampler()
        trials = asked["now"][1::2]
        return [value, [(2 * i + 1, r) for i, r in enumerate(other._try(trials, references()))]]

    asked = {}
    shared = sampler()
    batch = list(shared.generate(REQUESTS[:4]))
    shared.learn(sample.feedback for sample in sorted(batch, key=lambda s: s.request.index))
    plain = shared.policy.trials

    class Seen(Halving):
        def trials(self, memory, grid, references):
            found = plain(memory, grid, references)
            return None if found is None else watched(found)

    def watched(generator):
        results = None
        while True:
            try:
                asked["now"] = next(generator) if results is None else generator.send(results)
            except StopIteration:
                return
            results = yield asked["now"]

    shared.policy = Seen(computed_steps=7, warmup_samples=4)
    shared.tune(REQUESTS[:4], batch, Worker(rank=0, size=2, gather=first))
    assert shared.memory.chosen == chosen


def test_missing_reference_runs_are_made_again(finished):
    resumed = sampler()
    batch = sorted(resumed.generate(REQUESTS[:4]), key=lambda sample: sample.request.index)
    resumed.learn(sample.feedback for sample in batch)
    resumed.tune(REQUESTS[:4], batch[2:])
    assert resumed.memory.chosen == finished[0].memory.chosen


def test_the_memory_is_one_file_and_serves_from_the_first_sample_on(finished, tmp_path):
    made, samples = finished
    path = tmp_path / "memory.json"
    save_memory(made.memory, path)
    serving = sampler()
    serving.memory = load_memory(serving.empty_memory(STEPS), path).freeze()
    (again,) = serving.run(REQUESTS[6:7])
    assert torch.equal(again.x, samples[6].x)
    assert serving.memory.to_dict() == made.memory.to_dict()
    assert json.loads(path.read_text())["chosen"]["nodes"] == list(made.memory.chosen.nodes)
    assert "*" in made.memory.summary()


def test_the_memory_of_another_number_of_steps_is_refused(finished, tmp_path):
    path = tmp_path / "memory.json"
    save_memory(finished[0].memory, path)
    other = sampler(Halving(computed_steps=8))
    with pytest.raises(ValueError, match="computed_steps: here 8, there 7"):
        load_memory(other.empty_memory(STEPS), path)


def test_tables_merge(finished):
    first = sampler()
    first.memory = first.empty_memory(STEPS)
    second = finished[0].memory
    first.memory.merge(second)
    assert first.memory.chosen == second.chosen
    assert first.memory.gram.count == 4
    assert first.memory.learning_calls == second.learning_calls


def test_frozen_and_untuned_it_follows_its_first_candidate():
    made = sampler()
    made.memory = made.empty_memory(STEPS)
    (full,) = made.generate(REQUESTS[:1])
    made.memory.gram.add(full.feedback.gram)
    made.memory.freeze()
    (sample,) = made.run(REQUESTS[5:6])
    assert len(sample.computed) == 7


def test_a_failed_reference_run_is_left_out():
    made = sampler()
    plain = made.model.velocity

    def broken(x, t, conditioning):
        v = plain(x, t, conditioning)
        bad = [i for i, c in enumerate(conditioning) if c == "bad"]
        v[bad] = math.nan
        return v

    prepare = made.model.prepare

    def marked(request):
        problem = prepare(request)
        object.__setattr__(problem, "conditioning", "bad" if request.seed == 101 else None)
        return problem

    made.model.velocity, made.model.prepare = broken, marked
    samples = sorted(made.run(REQUESTS), key=lambda sample: sample.request.index)
    assert [bool(s.failure) for s in samples] == [False, True] + [False] * 8
    assert made.memory.gram.count == 3
    assert len(samples[9].computed) == 7


def test_audits_run_ever_fewer_samples_in_full_and_keep_learning():
    made = sampler(Halving(computed_steps=7, warmup_samples=2, audits=True))
    asked = [Request(i, f"sample {i}", 100 + i, STEPS) for i in range(20)]
    samples = sorted(made.run(asked), key=lambda sample: sample.request.index)
    full = [i for i, sample in enumerate(samples) if len(sample.computed) == STEPS]
    assert full == [0, 1, *(2 + audit_time(n) for n in (1, 2, 3))]
    assert made.memory.audits == 3
    arm = made.memory.survivors()[0]
    assert arm.plan == made.memory.chosen
    assert max(arm.errors) > 2


def test_the_plan_changes_only_for_one_that_is_surely_better():
    first, second = PlanArm("first", PLAN), PlanArm("second", LinearPlan((0,), ((-2.0,),)))
    for i in range(12):
        first.add(i, math.exp(-5 - 0.1 * (i % 3)))
        second.add(i, math.exp(-5.5 if i != 3 else -1.0))
    assert not is_better(second, first)
    second.add(3, math.exp(-5.5))
    assert is_better(second, first)
    assert not is_better(first, second)
    drawn = {challenger(first, [second], np.random.default_rng(i)).name for i in range(5)}
    assert drawn == {"second"}


def test_the_tail_counts_twice():
    even, risky = PlanArm("even", PLAN), PlanArm("risky", PLAN)
    for i in range(8):
        even.add(i, math.exp(-5.0))
        risky.add(i, math.exp(-5.5 if i else -2.0))
    assert risky.score() > even.score()
    assert halved([risky, even, even], 8) == [even, even]
    even.add(9, math.nan)
    assert even.errors[9] == 20.0


PLAN = LinearPlan((0,), ((-1.0,),))


@pytest.mark.parametrize(
    ("samples", "sizes"),
    [(1, [1]), (2, [2]), (4, [2, 4]), (12, [2, 4, 8, 12]), (40, [2, 4, 8, 40])],
)
def test_rounds_double_and_end_with_all_samples(samples, sizes):
    assert round_sizes(samples) == sizes


def test_the_price_is_that_of_the_rounds():
    assert price(16, 12) == 16 * 2 + 8 * 2 + 4 * 4 + 2 * 4 + 2 * 12
    assert price(16, 12, 6) == price(16, 12) + 6 * 12


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"^`warmup_samples` must be 1 or more, got 0\.$"):
        Halving(warmup_samples=0)
    with pytest.raises(ValueError, match=r"^`neighbours` must be 0 or more, got -1\.$"):
        Halving(neighbours=-1)
    with pytest.raises(ValueError, match="is not halving's"):
        POLICY.begin(Mixture().load().grid(STEPS), Memory())
