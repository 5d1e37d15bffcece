"""Static schedules and plans: which steps they compute."""

from itertools import pairwise

import pytest

from fastflow.testing import drive, uneven
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.policies.bandits.random_arms import RandomArms
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.plans import Plan
from fastflow_plugins.policies.static import Every, Listed, Piecewise, Uniform

GRID = uneven(50)
HOW = {"extrapolator": Linear(), "corrector": Interpolate()}


@pytest.mark.parametrize("calls", [2, 10, 14, 19, 25, 49, 50])
def test_uniform_skipping_makes_just_as_many_calls_evenly_spread(calls):
    computed = drive(Uniform(computed_steps=calls), GRID).computed
    assert len(computed) == calls
    assert {computed[0], computed[-1]} == {0, 49}
    gaps = [b - a for a, b in pairwise(computed)]
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("calls", [7, 10, 19, 50])
def test_piecewise_skipping_computes_both_ends(calls):
    computed = drive(Piecewise(computed_steps=calls), GRID).computed
    assert len(computed) == calls
    assert {0, 1, 2, 3, 47, 48, 49} <= set(computed)
    middle = [b - a for a, b in pairwise(computed[3:-2])]
    assert max(middle) - min(middle) <= 1


def test_more_calls_than_steps_are_refused():
    for policy in (Uniform(computed_steps=51), Piecewise(computed_steps=51)):
        with pytest.raises(
            ValueError, match="`computed_steps` must be at most 50 on a grid of 50 steps"
        ):
            drive(policy, GRID)
    with pytest.raises(
        ValueError, match="`computed_steps` must be from 2 to 50 on a grid of 50 steps"
    ):
        drive(Plan(computed_steps=51), GRID)


def mean_calls(policy):
    return sum(len(drive(policy, GRID, key=(0, i)).computed) for i in range(40)) / 40


def test_random_arms_have_a_pace():
    slow, even, fast = (mean_calls(RandomArms(pace=p)) for p in (0.5, 1.0, 3.0))
    assert slow > even > fast
    assert abs(even - 50 / 4) < 2  # arms 0, 2, 4, 6: a cycle of 4 steps on average


def planned(calls, **options):
    """Returns a second sample after an unskipped one, and its reference run."""
    policy = Plan(computed_steps=calls, **options)
    memory = policy.empty(GRID)
    first = drive(policy, GRID, memory, **HOW)
    assert first.computed == tuple(range(50))
    policy.learn(memory, first.feedback)
    return drive(policy, GRID, memory, (0, 1), **HOW), drive(Never(), GRID, key=(0, 1))


@pytest.mark.parametrize("calls", [10, 14, 19, 25])
def test_a_plan_makes_the_calls_asked_for_and_beats_uniform_and_thirds(calls):
    plan, full = planned(calls)
    assert len(plan.computed) == calls
    error = (plan.x - full.x).norm()
    uniform = drive(Uniform(computed_steps=calls), GRID, key=(0, 1), **HOW)
    assert error < 0.5 * (uniform.x - full.x).norm()


def test_a_plan_never_skips_more_in_a_row_than_it_may():
    plan, _ = planned(14, longest=3)
    assert max(plan.skips(50).values()) == 3


def test_one_memory_serves_plans_of_every_number_of_calls():
    policy = Plan(computed_steps=19)
    memory = policy.empty(GRID)
    policy.learn(memory, drive(policy, GRID, memory, **HOW).feedback)
    for calls in (10, 19, 30):
        assert len(drive(Plan(computed_steps=calls), GRID, memory, **HOW).computed) == calls


def test_with_the_scheme_s_weights_the_scheme_decides_about_the_plan():
    policy = Plan(computed_steps=19, weights="scheme")
    memory = policy.empty(GRID)
    policy.learn(memory, drive(policy, GRID, memory, **HOW).feedback)
    with_scheme, plain = drive(policy, GRID, memory, **HOW), drive(policy, GRID, memory)
    assert with_scheme.computed != plain.computed


def test_static_policies_compute_what_they_say():
    assert drive(Every(interval=20), GRID).computed == (0, 20, 40, 49)
    assert drive(Listed(steps=(3, 7)), GRID).computed == (0, 3, 7, 49)
