"""The value of a skipped step that leads to a number of computed steps."""

import itertools

import numpy as np
import pytest

from fastflow.policies import BanditMemory
from fastflow.policies.step_price import (
    fewest_steps,
    find_values,
    mean_steps_of,
    rewards_to_go,
)
from fastflow.testing import uneven

ARMS = (0, 1, 3)
GRID = uneven(9, jumps=frozenset({5}))


def table(seed=0):
    """Returns a memory with a random reward of every arm that fits."""
    random = np.random.default_rng(seed)
    memory = BanditMemory(arms=ARMS, steps=GRID.steps)
    for k, m in itertools.product(range(GRID.steps), ARMS):
        if m <= GRID.longest_skip[k]:
            memory.add(k, m, 0.0, -float(random.random()))
    return memory


def schedules(k=0):
    """Yields every way to the end, as pairs of step and arm."""
    if k == GRID.steps:
        yield ()
    for m in ARMS:
        if k < GRID.steps and m <= GRID.longest_skip[k]:
            yield from (((k, m), *rest) for rest in schedules(k + m + 1))


def reward(memory, way, mu):
    return sum(memory.reward.mean[k, ARMS.index(m)] + mu * m for k, m in way)


@pytest.mark.parametrize("mu", [-0.5, 0.0, 0.2, 3.0])
def test_the_rewards_to_go_are_those_of_the_best_schedule(mu):
    for seed in range(4):
        memory = table(seed)
        best = max(reward(memory, way, mu) for way in schedules())
        assert rewards_to_go(memory, GRID, mu)[0] == pytest.approx(best)


def test_untried_arms_have_no_part_in_the_rewards_to_go():
    memory = BanditMemory(arms=ARMS, steps=GRID.steps)
    assert rewards_to_go(memory, GRID, 1.0).tolist() == [0.0] * 10
    memory.add(2, 1, 0.0, 5.0)
    assert rewards_to_go(memory, GRID)[:4].tolist() == [5.0, 5.0, 5.0, 0.0]


def test_the_fewest_steps_are_those_of_the_shortest_schedule():
    assert fewest_steps(ARMS, GRID) == min(len(way) for way in schedules())
    assert fewest_steps((0,), GRID) == 9


def greedy_walk(mu):
    """Skips none, one or three of four steps, the more the larger mu is."""
    m = 0 if mu < 0.3 else 1 if mu < 0.7 else 3
    walk = np.zeros((4, 4))
    for k in range(4):
        if k + m + 1 < 4:
            walk[k, k + m + 1] = 1.0
    return walk


def test_the_mean_number_of_steps_is_that_of_the_walk():
    assert [mean_steps_of(greedy_walk(mu)) for mu in (0.0, 0.5, 1.0)] == [4, 2, 1]
    assert mean_steps_of((greedy_walk(0.0) + greedy_walk(1.0)) / 2) == 1 + 1 / 2 + 1 / 4 + 1 / 8


@pytest.mark.parametrize("steps", [4, 3.3, 2, 1.75, 1])
def test_two_values_reach_any_number_between_the_least_and_the_most(steps):
    low, high, share = find_values(greedy_walk, steps, 1.0)
    assert low <= high
    mixed = (1 - share) * greedy_walk(low) + share * greedy_walk(high)
    assert mean_steps_of(mixed) == pytest.approx(steps, abs=1e-6)


@pytest.mark.parametrize(("steps", "closest"), [(5, 4), (0.5, 1)])
def test_out_of_reach_the_closest_value_decides_alone(steps, closest):
    low, high, share = find_values(greedy_walk, steps, 1.0)
    assert share in (0.0, 1.0)
    assert mean_steps_of(greedy_walk(high if share else low)) == closest


def test_the_values_scale_with_the_rewards():
    found = find_values(lambda mu: greedy_walk(mu / 1e-6), 3, 1e-6)
    expected = find_values(greedy_walk, 3, 1.0)
    assert found.low == pytest.approx(1e-6 * expected.low)
    assert found.share == pytest.approx(expected.share)
