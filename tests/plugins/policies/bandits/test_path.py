"""The path bandit: exactly N steps, on the path whose gaps cost least."""

import itertools
import math

import numpy as np
import pytest

from fastflow.integration import StepContext
from fastflow.testing import drive, uneven
from fastflow.testing.drive import PLAIN_SCHEME
from fastflow_plugins.policies import Path

GRID = uneven(9, 1.0, jumps=frozenset({5}))
ARMS = (0, 1, 2)


def policy(**parameters):
    return Path(**{"arms": ARMS, "computed_steps": 6, "gamma": 0.0} | parameters)


def table(seed):
    """Returns a memory with one random reward of every gap."""
    random = np.random.default_rng(seed)
    memory = policy().empty(GRID)
    memory.samples = 1
    for k, m in itertools.product(range(9), ARMS):
        if m <= GRID.longest_skip[k]:
            memory.add(k, m, 0.0, -float(random.random()))
    return memory


def paths(k=0):
    """Yields the computed steps of every path from step k."""
    if k == 9:
        yield ()
    for m in ARMS:
        if k < 9 and m <= GRID.longest_skip[k]:
            yield from ((k, *rest) for rest in paths(k + m + 1))


def reward(memory, path):
    gaps = zip(path, (*path[1:], 9))
    return sum(memory.reward.mean[k, ARMS.index(j - k - 1)] for k, j in gaps)


@pytest.mark.parametrize("steps", [5, 6, 8, 9])
def test_the_path_is_the_best_of_all_with_that_many_steps(steps):
    for seed in range(4):
        memory = table(seed)
        taken = drive(policy(computed_steps=steps), GRID, memory)
        best = max((p for p in paths() if len(p) == steps), key=lambda p: reward(memory, p))
        assert taken.computed == best
        assert set(taken.propensities.values()) == {1.0}


def test_gaps_that_were_tried_less_are_taken_for_cheaper():
    """Two gaps cost the same; one was tried once, and the other four times."""
    memory = table(0)
    memory.reward.mean[:] = -1.0
    memory.reward.count[:] = 4
    memory.reward.count[1, 1] = 1
    for gamma in (0.1, 5.0):
        assert drive(policy(computed_steps=8, gamma=gamma), GRID, memory).computed[:3] == (0, 1, 3)
    assert policy(gamma=2.0).bonus(memory.stats(1, [0, 1])) == pytest.approx(
        [2 * math.sqrt(math.log(5) / 4), 2 * math.sqrt(math.log(5))]
    )


def test_a_frozen_path_does_not_explore():
    memory = table(1)
    memory.reward.count[1, 1] = 9
    greedy = drive(policy(), GRID, memory).computed
    assert drive(policy(gamma=50.0), GRID, memory.freeze()).computed == greedy


def test_a_step_that_something_else_forces_does_not_lead_astray():
    """From a step that is not on the path, it goes to the path's next step, or towards it."""
    memory = table(2)
    path = drive(policy(), GRID, memory).computed
    for k in set(range(8)) - set(path):
        arms = [m for m in ARMS if m <= GRID.longest_skip[k]]
        context = StepContext(GRID, k, 0, (0, 0), PLAIN_SCHEME)
        probabilities = policy().arm_probabilities(arms, context, memory)
        landing = k + arms[int(np.argmax(probabilities))] + 1
        assert landing <= min(j for j in path if j > k)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"computed_steps": 6.5}, "`computed_steps` must be a whole number, got 6.5."),
        ({"computed_steps": None}, "`computed_steps` must be a whole number, got None."),
        (
            {"warmup_samples": 0},
            "`warmup_samples` must be 1 or more, got 0: a path needs the cost of every gap.",
        ),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - compared whole below
        policy(**parameters)
    assert str(refusal.value) == message


def test_a_number_that_the_arms_do_not_allow_is_refused():
    """Skips of two steps leave an odd number of nine."""
    path = policy(arms=(0, 2), computed_steps=8)
    with pytest.raises(ValueError, match="exactly") as refusal:
        path.begin(GRID, path.empty(GRID))
    assert str(refusal.value) == (
        "`computed_steps` 8 cannot be reached exactly on a grid of 9 steps with `arms` [0, 2]. "
        "Use other arms."
    )


def test_it_computes_every_step_until_an_error_was_seen():
    path = policy()
    memory = path.empty(GRID)
    memory.samples = 1  # its errors were not finite
    assert drive(path, GRID, memory).computed == tuple(range(9))


def test_a_gap_that_was_never_seen_counts_as_the_worst():
    memory = table(0)
    memory.reward.mean[:] = -1.0
    memory.reward.mean[2, 1], memory.reward.mean[6, 1] = 0.0, -9.0
    path = policy(computed_steps=8)
    assert 3 not in drive(path, GRID, memory).computed
    memory.solved.clear()
    memory.reward.count[2, 1] = 0
    assert 3 in drive(path, GRID, memory).computed
