"""Targets: what they mean on a grid, and what they refuse."""

import math

import pytest

from fastflow import Grid
from fastflow.integration import Unskipped
from fastflow.policies import QUALITIES, Target, Targeted, aimed, resolved
from fastflow.testing import failures, uneven
from fastflow_plugins.policies import UCB, Bounded, Every, Halving, Plan, Uniform


@pytest.mark.parametrize(
    ("target", "steps", "computed"),
    [
        ({"speedup": 2.6}, 50, 19),
        ({"speedup": 2.6}, 28, 11),
        ({"speedup": 1}, 50, 50),
        ({"speedup": 100}, 50, 3),
        ({"speedup": 2}, 4, 3),
        ({"speedup": 2}, 2, 2),
        ({"computed_steps": 19}, 50, 19),
        ({"computed_steps": 19}, 28, 19),
        ({"quality": "near_lossless"}, 50, 25),
        ({"quality": "high"}, 50, 19),
        ({"quality": "fast"}, 50, 10),
    ],
)
def test_a_target_is_a_number_of_computed_steps_on_each_grid(target, steps, computed):
    assert Target(**target).steps(Grid.even(steps)) == computed


def test_steps_that_the_grid_forces_are_among_the_computed_ones():
    grid = Grid.even(30, jumps=frozenset({10, 20}))
    assert Target(speedup=10).steps(grid) == 6


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            {},
            "give one target, `speedup`, `computed_steps`, `max_error` or `quality`: got none.",
        ),
        (
            {"speedup": 2, "quality": "high"},
            "give one target, `speedup`, `computed_steps`, `max_error` or `quality`: got "
            "speedup=2 and quality='high'.",
        ),
        ({"speedup": 0.5}, "`speedup` must be 1 or more, got 0.5."),
        ({"speedup": math.nan}, "`speedup` must be 1 or more, got nan."),
        (
            {"computed_steps": 2},
            "`computed_steps` must be 3 or more, got 2: the first and the last step are always "
            "computed, and one in between.",
        ),
        (
            {"max_error": 0.0},
            "`max_error` must be above 0, got 0.0. It is a share: 0.02 stands for final latents "
            "that differ by 2 % from those of the full run.",
        ),
        ({"quality": "best"}, "`quality` must be near_lossless, high or fast, got 'best'."),
    ],
)
def test_a_wrong_target_is_refused_with_what_is_allowed(target, message):
    with pytest.raises(ValueError, match=r"must be|give one") as refused:
        Target(**target)
    assert str(refused.value) == message


def test_more_computed_steps_than_the_grid_has_are_refused():
    policy = aimed(Plan(), Target(computed_steps=30))
    with pytest.raises(ValueError, match="`computed_steps` must be at most 28 on a grid of 28"):
        policy.begin(uneven(28), policy.empty(uneven(28)))


def test_a_quality_is_refused_where_any_skip_shows():
    with pytest.raises(ValueError, match="`quality` 'fast' cannot be kept on a grid of 8 steps"):
        Target(quality="fast").steps(Grid.even(8))
    assert Target(speedup=QUALITIES["fast"]).steps(Grid.even(8)) == 3


def test_a_policy_without_the_parameter_is_refused():
    with pytest.raises(ValueError, match="sets a policy's") as refused:
        aimed(Every(), Target(speedup=2))
    assert str(refused.value) == (
        "`speedup` sets a policy's `computed_steps`, which Every does not have. Choose no policy, "
        "or plan, halving or uniform."
    )
    with pytest.raises(ValueError, match=r"does not have\. Choose no policy, or bounded"):
        aimed(Plan(), Target(max_error=0.1))


def test_a_targeted_policy_is_that_policy_on_every_grid():
    for policy in (Plan(), Halving(warmup_samples=2), Uniform()):
        targeted = aimed(policy, Target(speedup=2.6))
        assert isinstance(targeted, Targeted)
        for steps, computed in ((50, 19), (28, 11)):
            own = resolved(targeted, uneven(steps))
            assert own == type(policy)(**vars(policy) | {"computed_steps": computed})
            assert targeted.empty(uneven(steps)).key == own.empty(uneven(steps)).key
            assert targeted.learning_runs(uneven(steps)) == own.learning_runs(uneven(steps))
    plan = aimed(Plan(), Target(speedup=2.6))
    assert isinstance(plan.begin(uneven(50), plan.empty(uneven(50))), Unskipped)
    assert plan.samples_until_update(plan.empty(uneven(50))) == 1


@pytest.mark.parametrize("policy", [Plan(), Halving(), UCB()], ids=lambda p: type(p).__name__)
def test_a_targeted_policy_keeps_the_rules_of_policies(policy):
    broken = failures(aimed(policy, Target(speedup=2)))
    # it is no component of a configuration, which would hold it as a policy with a number
    assert [b for b in broken if "config" not in str(b)] == []


def test_a_bound_on_the_error_is_a_parameter_of_the_policy():
    assert aimed(Bounded(), Target(max_error=0.1)) == Bounded(max_error=0.1)
    assert resolved(Bounded(), uneven(5)) == Bounded()
