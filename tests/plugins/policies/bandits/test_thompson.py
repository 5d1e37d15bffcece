"""Thompson sampling: the probabilities are those of drawing from the posteriors."""

import math

import numpy as np
import pytest

from fastflow import ArmStats
from fastflow.integration import StepContext
from fastflow.testing import uneven
from fastflow.testing.drive import PLAIN_SCHEME
from fastflow_plugins.policies import Thompson
from fastflow_plugins.policies.bandits.thompson import probability_of_best

CONTEXT = StepContext(uneven(24, 1.0), 3, 0, (0, 0), PLAIN_SCHEME)


def stats(count, mean, spread):
    arrays = (np.array(values, dtype=float) for values in (count, mean, spread))
    return ArmStats(np.arange(len(count)), *arrays)


@pytest.mark.parametrize("gap", [0.0, 0.3, 2.0])
def test_two_arms_have_the_probabilities_of_their_difference(gap):
    deviation = np.array([1.0, 0.5])
    p = probability_of_best(np.array([gap, 0.0]), deviation)
    exact = 0.5 * (1 + math.erf(gap / math.sqrt(2 * (deviation**2).sum())))
    assert p.tolist() == pytest.approx([exact, 1 - exact], abs=1e-6)


def test_several_arms_have_the_shares_of_draws():
    mean, deviation = np.array([0.0, 0.2, -0.4, 0.1]), np.array([0.5, 0.1, 1.0, 0.3])
    draws = np.random.default_rng(0).normal(mean, deviation, (40_000, 4)).argmax(axis=1)
    shares = np.bincount(draws, minlength=4) / len(draws)
    assert probability_of_best(mean, deviation).tolist() == pytest.approx(shares, abs=0.01)


def test_probabilities_do_not_change_with_the_units_of_the_reward():
    mean, deviation = np.array([0.0, 0.2, -0.4]), np.array([0.5, 0.1, 1.0])
    once, scaled = (probability_of_best(c * mean - c, c * deviation) for c in (1.0, 1e-9))
    assert once == pytest.approx(scaled)
    assert once.sum() == pytest.approx(1)


def test_an_arm_is_better_known_the_more_often_it_was_tried():
    unsure, sure = (
        Thompson().probabilities(stats([n, n], [0.0, 0.1], [0.2, 0.2]), CONTEXT) for n in (4, 400)
    )
    assert unsure[1] < 0.8
    assert sure[1] > 0.999


def test_an_arm_with_one_reward_is_as_uncertain_as_the_most_uncertain():
    p = Thompson().probabilities(stats([1, 9], [0.0, 0.0], [0.0, 0.3]), CONTEXT)
    assert p.tolist() == pytest.approx([0.5, 0.5])


def test_without_any_spread_it_takes_the_best_arm():
    assert list(Thompson().probabilities(stats([1, 1], [0.0, 1.0], [0, 0]), CONTEXT)) == [0, 1]
    unsure = stats([9, 9], [0.0, 1.0], [9, 9])
    assert list(Thompson(width=0.0).probabilities(unsure, CONTEXT)) == [0, 1]


def test_untried_arms_come_first():
    p = Thompson().probabilities(stats([3, 0, 0], [9.0, 0.0, 0.0], [1, 0, 0]), CONTEXT)
    assert list(p) == [0, 0.5, 0.5]


def test_a_negative_width_is_refused():
    with pytest.raises(ValueError, match=r"^`width` must be 0 or more, got -1.0.$"):
        Thompson(width=-1.0)
