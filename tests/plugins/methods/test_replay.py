"""Played-back trajectories: the same x where nothing is skipped, the same decisions otherwise."""

import pytest
import torch
from stand import STEPS, in_full_alone, ordered, requests, tiny

from fastflow import Request, Sampler
from fastflow.evaluation.method import Bench
from fastflow.sampling.recording import Recording, Replay
from fastflow.sampling.reference import reference_sampler
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.methods.skipping import Skipping
from fastflow_plugins.models.mixture import Mixture
from fastflow_plugins.policies.bandits.random_arms import RandomArms
from fastflow_plugins.policies.bandits.ucb import UCB
from fastflow_plugins.policies.published.teacache import TeaCache
from fastflow_plugins.policies.static import Every, Piecewise, Uniform


@pytest.mark.parametrize(("true_cfg_scale", "max_batch"), [(1.0, 1), (1.0, 3), (2.5, 2)])
def test_played_back_in_full_a_trajectory_ends_where_it_ended(true_cfg_scale, max_batch):
    model, asked = tiny(true_cfg_scale), requests(3)
    recording = Recording.make(model, asked, max_batch)
    whole = ordered(reference_sampler(model, max_batch=max_batch).generate(asked))
    assert recording.requests == asked
    assert recording.calls == sum(sample.calls for sample in whole)
    made = []
    with model.network.register_forward_pre_hook(lambda *_: made.append(1)):
        replay = Replay(model, recording.trajectories)
        for batch in (1, 3):  # played back in any batch
            again = ordered(reference_sampler(replay, max_batch=batch).generate(asked))
            for sample, full in zip(again, whole, strict=True):
                assert torch.equal(sample.x, full.x)
                assert sample.calls == full.calls
                assert sample.output is None
    assert not made


@pytest.mark.parametrize(
    "policy",
    [
        Uniform(computed_steps=5),
        Piecewise(computed_steps=8, first=2, last=2),
        Every(interval=3),
        RandomArms(arms=(0, 1, 2)),
        RandomArms(arms=(0, 2, 3), pace=0.4),
    ],
    ids=repr,
)
def test_decisions_that_depend_on_nothing_seen_are_those_on_the_model(policy):
    model, asked = tiny(), requests(3)
    recording = Recording.make(model, asked, 3)
    bench = Bench(model, STEPS, recording, seed=4)
    method = Skipping(policy=policy)
    live, played = (
        ordered(method.generate(stand, asked, method.learn(stand, asked)))
        for stand in (bench, bench.replayed())
    )
    assert [s.computed for s in played] == [s.computed for s in live]
    assert [s.calls for s in played] == [s.calls for s in live]
    assert any(s.calls < STEPS for s in live)


def test_a_rule_that_looks_is_played_back_on_what_was_seen():
    """Up to its first skip the live trajectory is the recorded one, and so is what is seen."""
    model, asked = tiny(), requests(2)
    recording = Recording.make(model, asked, 1)
    policy = TeaCache(threshold=0.25, coefficients=(0.5, 0.02))
    parts = policy, Linear(), Interpolate()
    live = ordered(Sampler(model, *parts, max_batch=1).generate(asked))
    replay = Replay(model, recording.trajectories)
    played = ordered(Sampler(replay, *parts, max_batch=1).generate(asked))
    for one, other in zip(live, played, strict=True):
        assert one.computed[:2] == other.computed[:2]
        assert len(other.computed) < STEPS


def test_without_a_probe_nothing_is_seen():
    model = Mixture().load()
    asked = [Request(i, "", i, 8) for i in range(2)]
    recording = Recording.make(model, asked, 2)
    replay = Replay(model, recording.trajectories)
    problem = replay.prepare(asked[0])
    assert replay.probe(problem.x, torch.ones(1), [problem.conditioning]) is None
    assert not any(trajectory.has_probe for trajectory in recording.trajectories.values())


def test_the_gram_matrices_are_those_of_the_recorded_velocities():
    model = Mixture().load(dtype="float64")
    asked = [Request(i, "", i, 8) for i in (3, 1)]
    recording = Recording.make(model, asked, 2)
    for request, gram in zip(sorted(asked, key=lambda r: r.index), recording.grams, strict=True):
        v = torch.cat(recording.trajectories[request.index].velocities)
        torch.testing.assert_close(torch.from_numpy(gram), v @ v.T / v.shape[1])


def test_a_policy_that_learns_can_learn_from_what_is_played_back():
    """Its observations are made of recorded velocities, without a call of the network."""
    model, asked = tiny(), requests(3)
    bench = Bench(model, STEPS, Recording.make(model, asked, 1), max_batch=1)
    made = []
    with model.network.register_forward_pre_hook(lambda *_: made.append(1)):
        learned = Skipping(policy=UCB(arms=(0, 1, 2))).learn(bench.replayed(), asked)
    assert learned.samples == 3
    assert not made


def test_recording_leaves_the_model_as_it_was():
    model, asked = tiny(), requests(1)
    before = in_full_alone(model, asked)
    Recording.make(model, asked, 1)
    assert torch.equal(in_full_alone(model, asked)[0].x, before[0].x)
