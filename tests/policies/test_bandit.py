"""Bandits: their statistics and formulas, and that they find the best arm."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastflow import ArmStats, greedy
from fastflow.integration import Feedback, Observation
from fastflow.integration.episode import StepContext
from fastflow.policies.arm_statistics import Moments
from fastflow.policies.reward import Fixed
from fastflow.testing import drive, uneven
from fastflow.testing.drive import PLAIN_SCHEME
from fastflow_plugins.policies.bandits.epsilon_greedy import EpsilonGreedy
from fastflow_plugins.policies.bandits.ucb import UCB

GRID = uneven(24, 1.0)
VALUES = st.lists(st.floats(-1e3, 1e3), max_size=12)


def stats(count, mean):
    count, mean = np.array(count), np.array(mean, dtype=float)
    return ArmStats(np.arange(len(count)), count, mean, np.zeros(len(count)))


def context(index=3, key=(0, 0)):
    return StepContext(GRID, index, 0, key, PLAIN_SCHEME)


@given(VALUES, VALUES)
def test_merged_moments_are_those_of_all_values(a, b):
    left, right = Moments(2), Moments(2)
    for moments, values in ((left, a), (right, b)):
        for value in values:
            moments.add((1,), value)
    left.merge(right)
    values = np.array(a + b)
    assert left.count.tolist() == [0, len(values)]
    if len(values):
        assert left.mean[1] == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
        scale = max(1.0, np.abs(values).max()) ** 2
        assert left.m2[1] == pytest.approx(((values - values.mean()) ** 2).sum(), abs=1e-9 * scale)
    if len(values) > 1:
        wide = values.std(ddof=1)
        assert left.spread[1] == pytest.approx(wide, rel=1e-6, abs=1e-4 * math.sqrt(scale))


@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(-1, 1)), min_size=2, max_size=5),
    st.floats(0, 3),
)
def test_ucb_takes_the_highest_bound(arms, gamma):
    count, mean = zip(*arms)
    n = sum(count)
    bounds = [q + gamma * math.sqrt(math.log(n) / c) for c, q in arms]
    probabilities = UCB(gamma=gamma).probabilities(stats(count, mean), context())
    assert sum(probabilities) == pytest.approx(1)
    assert bounds[int(np.argmax(probabilities))] == pytest.approx(max(bounds), abs=1e-12)


@pytest.mark.parametrize("policy", [UCB(), EpsilonGreedy()], ids=["ucb", "epsilon_greedy"])
def test_untried_arms_come_first_with_equal_probabilities(policy):
    probabilities = policy.probabilities(stats([3, 0, 5, 0], [9.0, 0.0, 9.0, 0.0]), context())
    assert list(probabilities) == [0, 0.5, 0, 0.5]


def test_epsilon_greedy_explores_by_epsilon():
    probabilities = EpsilonGreedy(epsilon=0.2).probabilities(
        stats([1, 1, 2, 1], [0, 3, 1, 3]), context()
    )
    assert list(probabilities) == pytest.approx([0.05, 0.45, 0.05, 0.45])
    falling = EpsilonGreedy(epsilon=0.2, decay=0.5).probabilities(stats([3, 3], [0, 1]), context())
    assert list(falling) == pytest.approx([0.025, 0.975])  # 0.2 / (1 + 0.5 * 6) = 0.05


def test_greedy_is_uniform_over_the_best_arms():
    assert greedy([1.0, 3.0, 3.0]).tolist() == [0, 0.5, 0.5]


@pytest.mark.parametrize("policy", [UCB(gamma=9.0), EpsilonGreedy(epsilon=1.0)])
def test_a_frozen_bandit_takes_the_arm_of_the_highest_mean(policy):
    memory = policy.empty(GRID)
    for arm, reward in ((0, 1.0), (2, 2.0), (4, -1.0)):
        memory.add(3, arm, 0.1, reward)
    memory.freeze()
    assert list(policy.arm_probabilities([0, 2, 4, 6], context(), memory)) == [0, 1, 0, 0]
    unknown = policy.arm_probabilities([0, 2, 4, 6], context(4), memory)
    assert list(unknown) == [0.25] * 4


def train(policy, velocity, samples):
    memory = policy.empty(GRID)
    for i in range(samples):
        policy.learn(memory, drive(policy, GRID, memory, (0, i), velocity=velocity).feedback)
    return memory


@pytest.mark.parametrize(
    "policy",
    [UCB(gamma=1e-3, reward=Fixed(mu=0.01)), EpsilonGreedy(epsilon=0.1, reward=Fixed(mu=0.01))],
    ids=["ucb", "epsilon_greedy"],
)
@pytest.mark.parametrize("warmup_samples", [0, 1])
def test_finds_where_it_pays_to_skip(policy, warmup_samples):
    """The velocity is constant in the first half of time and changes at every step of the second.

    Up to step 12 skipping causes no error, so the longest arm that lands there is best. After it
    the error of every skip outweighs the saved steps, so arm 0 is best.
    """
    policy = type(policy)(
        **{**vars(policy), "warmup_samples": warmup_samples, "arms": (0, 1, 2, 5)}
    )

    def velocity(x, sigma):
        k = round((1 - sigma) * 24)
        return x * 0 + (1.0 if k <= 12 else 1.0 + k * (k - 11) / 10)

    memory = train(policy, velocity, 1 if warmup_samples else 60).freeze()
    computed = drive(policy, GRID, memory, (0, 99), velocity=velocity).computed
    assert computed[:3] == (0, 6, 12)
    assert computed[3:] == tuple(range(13, 24))


def test_an_observation_of_another_arm_is_not_learned():
    policy = UCB()
    memory = policy.empty(GRID)
    policy.learn(memory, Feedback((Observation(3, 5, 9, 0.1, 0.1, False),)))
    assert memory.reward.count.sum() == 0
    assert memory.samples == 1


def test_the_summary_shows_best_arm_mean_and_count():
    policy = UCB(arms=(0, 2))
    memory = policy.empty(GRID)
    memory.add(3, 2, 0.1, 0.25)
    assert memory.summary().split("\n") == [
        "step  best            skip 0            skip 2",
        "   3     2                 -    +0.2500 (   1)",
    ]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"arms": (2, 4)}, "`arms` must start with 0, got [2, 4]: arm 0 computes the next step."),
        ({"arms": (0, 4, 2)}, "`arms` must be increasing, got [0, 4, 2]."),
        ({"gamma": -1.0}, "`gamma` must be 0 or more, got -1.0."),
        ({"warmup_samples": -1}, "`warmup_samples` must be 0 or more, got -1."),
        ({"update_every": 0}, "`update_every` must be 1 or more, got 0."),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - compared whole below
        UCB(**parameters)
    assert str(refusal.value) == message


def test_arms_too_long_for_a_grid_are_not_played_there():
    policy, skipped = EpsilonGreedy(arms=(0, 2, 4, 6), epsilon=1.0), set()
    memory = policy.empty(uneven(5))
    for n in range(6):
        trajectory = drive(policy, uneven(5), memory, (0, n))
        policy.learn(memory, trajectory.feedback)
        skipped |= {b - a - 1 for a, b in pairwise(trajectory.computed)}
    assert skipped == {0, 2}


def test_a_grid_too_short_for_every_arm_is_refused():
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - compared whole below
        drive(UCB(arms=(0, 4, 6)), uneven(5))
    assert str(refusal.value) == (
        "`arms` [0, 4, 6] do not fit a grid of 5 steps: at most 3 steps in a row can be "
        "skipped there. Use shorter arms or more steps."
    )
