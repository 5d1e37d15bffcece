"""Re-planning: the number of steps is exact, and what a sample shows decides where they are."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_pipelines import flux

import fastflow
from fastflow import Sampler
from fastflow.policies import Memory
from fastflow.sampling import Request
from fastflow.sampling.storage import load_memory, save_memory
from fastflow.testing import drive, field, uneven
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.models.mixture import Mixture
from fastflow_plugins.policies import Plan, Replan
from fastflow_plugins.policies.plans import replan
from fastflow_plugins.policies.plans.replan import Replanned

GRIDS = {
    "plain": uneven(40),
    "jumps": uneven(40, jumps=frozenset({9, 20})),
    "open": uneven(40, compute_last=False),
}
HOW = {"extrapolator": Linear(), "corrector": Interpolate()}


def learned(policy, grid, **how):
    memory = policy.empty(grid)
    policy.learn(memory, drive(policy, grid, memory, **(HOW | how)).feedback)
    return memory


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("calls", [8, 10, 14, 25, 40])
def test_without_trust_it_is_the_plan(name, calls):
    grid, ends = GRIDS[name], []
    for policy in (Plan(computed_steps=calls), Replan(computed_steps=calls, trust=0)):
        ends.append(drive(policy, grid, learned(policy, grid), (0, 1), **HOW))
    assert ends[1].computed == ends[0].computed
    assert torch.allclose(ends[1].x, ends[0].x, rtol=1e-10, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(GRIDS)), st.integers(7, 40))
def test_whatever_a_sample_shows_it_has_just_as_many_computed_steps(seed, name, calls):
    random = np.random.default_rng(seed)

    def rough(x, sigma):
        noise = torch.from_numpy(random.normal(size=x.shape)) * random.choice([0, 0.1, 3])
        return field(x, sigma) + noise

    policy = Replan(computed_steps=calls, trust=2)
    seen = drive(policy, GRIDS[name], MEMORIES[name], (0, 1), velocity=rough, **HOW)
    assert len(seen.computed) == calls


MEMORIES = {name: learned(Replan(), grid) for name, grid in GRIDS.items()}


@pytest.mark.parametrize("extrapolator", ["reuse", "linear", "quadratic", "fitted"])
def test_a_sample_like_the_first_ones_keeps_the_plan(extrapolator, monkeypatch):
    """Its landings show what is expected, under the extrapolator that is measured there."""
    monkeypatch.setattr(replan, "TYPICAL", 1.0)
    extrapolator = fastflow.installed().get("extrapolator", extrapolator)()

    def given(x, sigma):
        return torch.sin(torch.arange(1.0, 5.0, dtype=x.dtype) * sigma * 4)[None]

    def observe(episode, observations):
        plain(episode, observations)
        ratios.append(episode.itinerary.scale)

    plain, ratios = Replanned.observe, []
    monkeypatch.setattr(Replanned, "observe", observe)
    how, grid = HOW | {"extrapolator": extrapolator, "velocity": given}, GRIDS["jumps"]
    policy, plan = Replan(computed_steps=14, trust=1), Plan(computed_steps=14)
    seen = drive(policy, grid, learned(policy, grid, **how), (0, 1), **how)
    assert ratios == pytest.approx([1.0] * 11, rel=1e-3)  # 14 steps in three pieces
    wanted = drive(plan, grid, learned(plan, grid, **how), (0, 1), **how)
    assert seen.computed == wanted.computed


def test_a_landing_that_shows_a_larger_error_brings_the_next_one_nearer():
    """A bend that the first samples did not have, late in the trajectory."""
    grid, policy = GRIDS["plain"], Replan(computed_steps=12, trust=2)
    memory = learned(policy, grid)
    plain = drive(policy, grid, memory, (0, 1), **HOW).computed
    at = plain[6]

    def bent(x, sigma):
        return field(x, sigma) + (1.0 if sigma < grid.sigma[at] + 1e-6 else 0.0)

    seen = drive(policy, grid, memory, (0, 1), velocity=bent, **HOW).computed
    assert seen[:7] == plain[:7]
    assert seen[7] < plain[7]
    assert len(seen) == 12


def test_samples_have_schedules_of_their_own_and_every_batch_size_the_same_ones():
    requests = [Request(i, f"sample {i}", i, 40) for i in range(12)]

    def computed(max_batch):
        model = Mixture().load(dtype="float64")
        sampler = Sampler(model, Replan(computed_steps=9), **HOW, max_batch=max_batch)
        samples = sorted(sampler.run(requests), key=lambda s: s.request.index)
        return [s.computed for s in samples], sampler.memory

    alone, memory = computed(1)
    assert computed(5)[0] == alone
    assert [len(steps) for steps in alone] == [40] + [9] * 11
    assert len(set(alone)) > 2
    assert memory.gram.count == 1


def test_its_memory_serves_frozen_and_from_a_file(tmp_path):
    model = Mixture().load(dtype="float64")
    sampler = Sampler(model, Replan(computed_steps=9), **HOW)
    requests = [Request(i, f"sample {i}", i, 40) for i in range(3)]
    samples = sorted(sampler.run(requests), key=lambda s: s.request.index)
    save_memory(sampler.memory, tmp_path / "memory.json")
    serving = Sampler(model, Replan(computed_steps=9), **HOW)
    serving.memory = load_memory(serving.empty_memory(40), tmp_path / "memory.json").freeze()
    (again,) = serving.run(requests[2:])
    assert torch.equal(again.x, samples[2].x)
    empty = Sampler(model, Replan(computed_steps=9), **HOW)
    empty.memory = empty.empty_memory(40).freeze()
    (unskipped,) = empty.run(requests[2:])
    assert len(unskipped.computed) == 40


def test_a_batch_in_a_pipeline_shares_its_decisions():
    pipe, counts = flux.pipeline(), []
    with fastflow.enable(pipe, Replan(computed_steps=5)) as accelerated:
        for images in (1, 2, 3):
            inputs = flux.inputs(num_inference_steps=12, num_images_per_prompt=images)
            assert len(pipe(**inputs).images) == images
            counts.append(len(accelerated.stats.last.computed))
    assert counts == [12, 5, 5]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("computed_steps", 0, "1 or more"),
        ("warmup_samples", 0, "1 or more"),
        ("longest", 0, "1 or more"),
        ("trust", -1, "from 0 to 2"),
        ("trust", float("nan"), "from 0 to 2"),
    ],
)
def test_values_out_of_range_are_refused(name, value, allowed):
    with pytest.raises(ValueError, match=rf"^`{name}` must be {allowed}, got {value}\.$"):
        dataclasses.replace(Replan(), **{name: value})


def test_other_memories_are_refused():
    with pytest.raises(ValueError, match=r"^`memory` is not replan's"):
        Replan().begin(GRIDS["plain"], Memory())
