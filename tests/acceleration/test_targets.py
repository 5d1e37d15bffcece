"""Targets in `enable`: how many steps are computed, and how a bound on the error is audited."""

import pytest
import torch
from tiny_pipelines import flux
from tiny_pipelines.cases import NAMED

import fastflow
from fastflow_plugins.policies import Bounded, Halving, Plan


def computed(accelerated):
    return [len(run.computed) for run in accelerated.stats.per_call]


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({}, [8, 11]),
        ({"quality": "high"}, [8, 11]),
        ({"quality": "near_lossless"}, [10, 14]),
        ({"quality": "fast"}, [4, 6]),
        ({"speedup": 2.6}, [8, 11]),
        ({"computed_steps": 7}, [7, 7]),
        ({"policy": "uniform", "speedup": 4}, [5, 7]),
    ],
)
def test_a_target_is_met_on_grids_of_different_length(pipe, call, options, counts):
    with fastflow.enable(pipe, **options) as accelerated:
        for steps in (20, 20, 28, 28):
            call(pipe, num_inference_steps=steps)
    assert computed(accelerated)[1::2] == counts
    assert accelerated.stats.skipped > 0


def test_the_usual_policy_learns_from_one_full_call_and_says_what_it_follows(pipe, call):
    with fastflow.enable(pipe) as accelerated:
        for seed in range(3):
            call(pipe, seed, num_inference_steps=20)
        stats = accelerated.stats
        assert computed(accelerated) == [20, 8, 8]
        assert stats.plan == stats.last.computed
        text = str(stats)
    assert f"plan: 8 of 20 steps, {' '.join(map(str, stats.plan))}" in text
    assert "learned from 3 calls, 1 of them in full" in text


def test_guidance_branches_are_not_counted_as_steps(pipe, call):
    with fastflow.enable(pipe, speedup=2.6) as accelerated:
        for seed in range(2):
            call(pipe, seed, num_inference_steps=20, **flux.TRUE_CFG)
    assert [run.calls for run in accelerated.stats.per_call] == [40, 16]


def test_two_experts_leave_the_forced_steps_of_both():
    case = NAMED["wan_22"]
    pipe = case.build(torch.float32)
    with fastflow.enable(pipe, quality="fast") as accelerated:
        for _ in range(2):
            case.run(pipe, num_inference_steps=16)
    full, planned = accelerated.stats.per_call
    assert len(full.computed) == 16
    assert 4 <= len(planned.computed) < 16


def test_a_scheduler_with_steps_of_its_own_uses_a_plan_without_its_weights():
    case = NAMED["wan_21_unipc"]
    pipe = case.build(torch.float32)
    with fastflow.enable(pipe, computed_steps=6) as accelerated:
        for _ in range(2):
            case.run(pipe, num_inference_steps=12)
    assert computed(accelerated) == [12, 6]
    assert any("a plan's weights are not used" in note for note in accelerated.stats.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speedup": 2, "quality": "high"}, "got speedup=2 and quality='high'."),
        ({"speedup": 0.9}, "`speedup` must be 1 or more, got 0.9."),
        ({"computed_steps": 2}, "`computed_steps` must be 3 or more, got 2:"),
        ({"quality": "best"}, "`quality` must be near_lossless, high or fast, got 'best'."),
        ({"max_error": -1}, "`max_error` must be above 0, got -1."),
        (
            {"policy": "every", "speedup": 2},
            "which Every does not have. Choose no policy, or plan",
        ),
        ({"policy": "plan", "max_error": 0.1}, "which Plan does not have. Choose no policy, or"),
    ],
)
def test_wrong_targets_are_refused(pipe, options, message):
    with pytest.raises(ValueError, match="`") as refused:
        fastflow.enable(pipe, **options)
    assert message in str(refused.value)
    fastflow.enable(pipe).disable()


def test_more_computed_steps_than_a_call_has_compute_all_and_are_told(pipe, call):
    with fastflow.enable(pipe, computed_steps=14) as accelerated:
        call(pipe)
    assert accelerated.stats.last.computed == tuple(range(12))
    assert "`computed_steps` must be at most 12 on a grid of 12" in accelerated.stats.warning


def test_a_few_step_pipeline_skips_if_a_number_is_asked_for():
    case = NAMED["flux_schnell"]
    pipe = case.build(torch.float32)
    with fastflow.enable(pipe, computed_steps=3) as accelerated:
        with pytest.warns(UserWarning, match="4 steps leave little to skip"):
            case.run(pipe)
        case.run(pipe)
    assert computed(accelerated) == [4, 3]


def test_a_memory_serves_another_target_frozen(pipe, call, tmp_path):
    """A plan's memory holds what was recorded, from which a plan for any target follows."""
    file = tmp_path / "flux.json"
    with fastflow.enable(pipe, speedup=2) as accelerated:
        call(pipe, num_inference_steps=20)
        accelerated.memory.save(file)
    with fastflow.enable(pipe, speedup=4, memory=file, frozen=True) as serving:
        first = call(pipe, num_inference_steps=20)
        assert torch.equal(call(pipe, num_inference_steps=20), first)
    assert computed(serving) == [5, 5]
    with pytest.raises(
        ValueError, match="this memory cannot be loaded: it was learned with other"
    ):
        fastflow.enable(pipe, "ucb", memory=file)


def test_audited_calls_return_the_full_result_and_are_measured(pipe, call):
    plain = [call(pipe, seed, num_inference_steps=20) for seed in range(9)]
    with fastflow.enable(pipe, max_error=0.02) as accelerated:
        latents = [call(pipe, seed, num_inference_steps=20) for seed in range(9)]
        (memory,) = accelerated.memory._used.values()
        stats = accelerated.stats
    full = [i + 1 for i, count in enumerate(computed(accelerated)) if count == 20]
    assert full == [audit.sample for audit in memory.audits] == [1, 3, 8]
    for i in full:
        assert torch.equal(latents[i - 1], plain[i - 1])
    errors = [(a - b).norm() / b.norm() for a, b in zip(latents, plain, strict=True)]
    assert max(errors) <= 0.02
    assert len(stats.per_call) == 9
    assert memory.learning_calls == sum(a.computed_steps for a in memory.audits)
    assert f"3 of them in full, and {memory.learning_calls} more network calls" in str(stats)
    assert "max_error 0.02: " in str(stats)
    assert "audit of call 8: error " in str(stats)


def test_an_audit_repeats_the_noise_also_without_a_generator_and_leaves_it_as_it_would_be(pipe):
    def draw(count):
        torch.manual_seed(5)
        options = {"generator": None, "num_inference_steps": 20, "output_type": "latent"}
        return [pipe(**flux.inputs(**options)).images for _ in range(count)], torch.rand(1)

    plain, after = draw(3)
    with fastflow.enable(pipe, max_error=0.02) as accelerated:
        latents, now = draw(3)
        (memory,) = accelerated.memory._used.values()
    assert torch.equal(now, after)
    assert [torch.equal(a, b) for a, b in zip(latents, plain)] == [True, False, True]
    assert all(0 < audit.measured < 0.1 for audit in memory.audits)


def test_generators_in_a_list_are_repeated_too(pipe, call):
    generators = [torch.Generator().manual_seed(seed) for seed in (3, 4)]
    with fastflow.enable(pipe, max_error=0.02) as accelerated:
        call(pipe, prompt=["a red cat", "two dogs"], generator=generators, num_inference_steps=20)
        (memory,) = accelerated.memory._used.values()
    assert 0 < memory.audits[0].measured < 0.1


def test_a_call_with_a_callback_is_not_audited(pipe, call):
    seen = []

    def look(pipe, k, t, kwargs):
        seen.append(k)
        return kwargs

    with fastflow.enable(pipe, max_error=0.02) as accelerated:
        call(pipe, callback_on_step_end=look)
        (memory,) = accelerated.memory._used.values()
    assert seen == list(range(12))
    assert (memory.audits, memory.samples) == ([], 1)


def test_an_audit_that_fails_costs_a_warning_and_not_the_result(pipe, call):
    def fail(*_):
        made.append(1)
        if len(made) == 23:  # in the second run of the first call
            raise RuntimeError("out of memory")

    plain, made = call(pipe, num_inference_steps=20), []
    hook = pipe.transformer.register_forward_pre_hook(fail)
    with fastflow.enable(pipe, max_error=0.02) as accelerated:
        with pytest.warns(UserWarning, match=r"an audit failed and is left out: .*out of memory"):
            assert torch.equal(call(pipe, num_inference_steps=20), plain)
        hook.remove()
        call(pipe, num_inference_steps=20)
        assert computed(accelerated)[0] == 20
        assert computed(accelerated)[1] < 20
        assert next(iter(accelerated.memory._used.values())).audits == []


def test_a_bandit_keeps_to_a_target_too(pipe, call):
    with fastflow.enable(pipe, "ucb", speedup=2) as accelerated:
        for seed in range(12):
            call(pipe, seed, num_inference_steps=20)
        (memory,) = accelerated.memory._used.values()
    assert memory.surplus.keys() == {"10.0"}
    assert 6 < sum(computed(accelerated)[6:]) / 6 < 14


def test_a_bound_that_no_plan_keeps_computes_every_step_and_says_so(pipe, call):
    plain = call(pipe)
    with fastflow.enable(pipe, max_error=1e-7) as accelerated:
        for _ in range(2):
            assert torch.equal(call(pipe), plain)
    assert "max_error 1e-07 cannot be kept by skipping any of the 12 steps" in str(
        accelerated.stats
    )


def test_explicit_policies_keep_their_own_parameters(pipe):
    for policy in (Plan(computed_steps=7), Halving(computed_steps=7), Bounded(max_error=0.3)):
        with fastflow.enable(pipe, policy) as accelerated:
            assert accelerated.policy is policy
