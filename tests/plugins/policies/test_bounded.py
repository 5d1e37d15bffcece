"""Bounded: audits, and the number of computed steps that keeps the error."""

import pytest
import torch

from fastflow import Sampler
from fastflow.integration import Unskipped
from fastflow.planning import LinearPlan
from fastflow.policies import Memory, TrialResult
from fastflow.sampling import Request, reference_sampler
from fastflow.sampling.storage import load_memory, save_memory
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.models.mixture import Mixture
from fastflow_plugins.policies import Bounded
from fastflow_plugins.policies.plans.bounded import Audit, is_audit

STEPS = 24
REQUESTS = [Request(i, f"sample {i}", 100 + i, STEPS) for i in range(16)]


def run(policy, requests=REQUESTS, **options):
    """Returns a sampler after its run, with its samples in order."""
    made = Sampler(Mixture().load(dtype="float64"), policy, Linear(), Interpolate(), **options)
    return made, sorted(made.run(requests), key=lambda sample: sample.request.index)


@pytest.fixture(scope="module")
def finished():
    return run(Bounded(max_error=0.01))


def error(sample):
    (full,) = reference_sampler(Mixture().load(dtype="float64")).generate([sample.request])
    return ((sample.x - full.x).square().mean() / full.x.square().mean()).sqrt().item()


def test_audits_become_rare():
    audits = [t for t in range(1, 1001) if is_audit(t)]
    assert audits[:6] == [1, 3, 8, 15, 23, 32]
    assert [sum(t <= n for t in audits) for n in (10, 100, 1000)] == [3, 11, 51]


def test_audits_are_full_and_the_other_samples_skip(finished):
    made, samples = finished
    full = [i + 1 for i, sample in enumerate(samples) if len(sample.computed) == STEPS]
    assert full == [a.sample for a in made.memory.audits] == [1, 3, 8, 15]
    assert made.memory.gram.count == 4
    assert made.memory.learning_calls == sum(a.computed_steps for a in made.memory.audits)


def test_the_bound_is_kept_by_most_samples_and_used(finished):
    errors = [error(sample) for sample in finished[1]]
    assert sum(e <= 0.01 for e in errors) >= 14
    assert max(errors) > 1e-4


def test_the_audited_error_is_that_of_the_plan_on_the_very_noise(finished):
    made, _ = finished
    fresh = Sampler(made.model, made.policy, Linear(), Interpolate())
    list(fresh.run(REQUESTS[:2]))
    plan = made.policy.begin(made.model.grid(STEPS), fresh.memory.freeze())
    assert isinstance(plan, Unskipped) is False
    (sample,) = fresh.run([REQUESTS[2]])  # what call 3 would have been, had it not been audited
    audit = made.memory.audits[1]
    assert len(sample.computed) == audit.computed_steps
    assert error(sample) == pytest.approx(audit.measured, rel=1e-3)


def test_a_larger_error_means_fewer_steps():
    counts = []
    for bound in (1e-4, 0.003, 0.1):
        samples = run(Bounded(max_error=bound), REQUESTS[:5])[1]
        counts.append(len(samples[4].computed))
    assert counts[0] > counts[1] > counts[2]


def test_a_bound_that_no_skip_keeps_computes_every_step_and_says_so():
    policy = Bounded(max_error=1e-9)
    made, samples = run(policy, REQUESTS[:4])
    assert {len(sample.computed) for sample in samples} == {STEPS}
    remarks = policy.remarks(made.memory, made.model.grid(STEPS))
    assert remarks[0] == (
        "max_error 1e-09 cannot be kept by skipping any of the 24 steps: every step is computed. "
        "Allow a larger error."
    )
    assert "above the bound" in remarks[1]


def audited(policy, audits, gram):
    """Returns how many steps are computed after these audits."""
    grid = Mixture().load().grid(STEPS)
    memory = policy.empty(grid)
    memory.gram, memory.audits, memory.frozen = gram, audits, True
    return len(policy.begin(grid, memory).nodes)


def test_an_audit_above_the_bound_raises_the_number_of_steps(finished):
    gram, policy = finished[0].memory.gram, Bounded(max_error=0.05)
    kept = [Audit(i, 8, 0.01, 0.04) for i in range(4)]
    assert audited(policy, kept, gram) < 8
    assert audited(policy, [*kept, Audit(5, 8, 0.01, 0.06)], gram) >= 10


def test_one_undecided_sample_is_not_taken_for_the_rule(finished):
    gram, policy = finished[0].memory.gram, Bounded(max_error=0.05)
    kept = [Audit(i, 8, 0.01, 0.04) for i in range(4)]
    assert audited(policy, [*kept, Audit(5, 8, 0.001, 1.0)], gram) == 10
    assert audited(policy, [*kept, *(Audit(5, 8, 0.001, 1.0) for _ in range(2))], gram) > 10


def test_the_number_of_steps_falls_by_a_quarter_at_most_between_audits(finished):
    gram = finished[0].memory.gram
    calm = [Audit(i, 20, 0.5, 1e-6) for i in range(4)]
    assert audited(Bounded(max_error=10.0), calm, gram) == 15


def test_a_failed_audit_counts_as_a_large_error(finished):
    memory = finished[0].empty_memory(STEPS)
    memory.take(LinearPlan((0,), ((-1.0,),)), 0.001, TrialResult(float("inf"), 5, scale=1.0))
    assert memory.audits == [Audit(0, 1, 0.001, 1e3)]
    assert memory.learning_calls == 5


def test_batches_change_nothing(finished):
    alone = run(Bounded(max_error=0.01), max_batch=1)[0]
    assert [a.computed_steps for a in alone.memory.audits] == [
        a.computed_steps for a in finished[0].memory.audits
    ]


def test_a_frozen_memory_is_used_without_audits(finished, tmp_path):
    made, _ = finished
    save_memory(made.memory, tmp_path / "memory.json")
    serving = Sampler(made.model, Bounded(max_error=0.01), Linear(), Interpolate())
    serving.memory = load_memory(serving.empty_memory(STEPS), tmp_path / "memory.json").freeze()
    samples = list(serving.run(REQUESTS[:4]))
    assert all(len(sample.computed) < STEPS for sample in samples)
    assert serving.memory.to_dict() == made.memory.to_dict()
    assert "audits" in serving.memory.summary()
    assert torch.isfinite(samples[0].x).all()


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"^`max_error` must be above 0, got -1\.$"):
        Bounded(max_error=-1)
    with pytest.raises(ValueError, match="is not bounded's"):
        Bounded().begin(Mixture().load().grid(STEPS), Memory())
