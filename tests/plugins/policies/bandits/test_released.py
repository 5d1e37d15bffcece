"""Exactly where the public FLUX code differs from the paper (`ucb` with the reward `paper`)."""

import pytest

from fastflow.integration import Feedback, Observation
from fastflow.integration.episode import StepContext
from fastflow.policies.reward import Paper
from fastflow.testing import drive, uneven
from fastflow.testing.drive import PLAIN_SCHEME
from fastflow_plugins.policies.bandits.released import Released
from fastflow_plugins.policies.bandits.ucb import UCB

GRID = uneven(20, 1.0)
PAPER = UCB(gamma=2.0, reward=Paper(), warmup_samples=0, update_every=1)
RELEASED = Released()


def seen(step, arm, error):
    return Observation(step, arm, step + arm + 1, error, 0.1, True)


# steps 0 and 1 computed; at 1 the arm 2 is drawn, 2 and 3 skipped, landing at 4, then 5 computed
FEEDBACK = [seen(0, 0, 0.30), seen(1, 2, 0.08), seen(4, 0, 0.02)]


def rewards(policy, feedback):
    """Returns {(step, arm): mean reward} that one sample leaves in memory."""
    memory = policy.empty(GRID)
    policy.learn(memory, Feedback(tuple(feedback)))
    count, mean = memory.reward.count, memory.reward.mean
    cells = zip(*count.nonzero())
    return {(int(k), policy.arms[a]): pytest.approx(mean[k, a]) for k, a in cells}


def test_the_paper_rewards_the_decision_by_the_error_at_its_landing():
    mu = 0.30 / 20
    assert rewards(PAPER, FEEDBACK) == {(0, 0): -0.30, (1, 2): 2 * mu - 0.08, (4, 0): -0.02}


def test_the_released_code_rewards_the_decision_at_once_and_the_landing_by_the_skip():
    assert rewards(RELEASED, FEEDBACK) == {
        (1, 2): 0.005 * 2 - 0.30,  # the error between the velocities of steps 0 and 1
        (4, 2): 0.001 * 2 - 0.08,  # the landing's bandit is rewarded, not that of step 1
    }


def test_the_error_of_the_released_decision_does_not_depend_on_the_arm():
    for arm in (2, 4, 6):
        feedback = [seen(0, 0, 0.30), seen(1, arm, 0.01 * arm)]
        assert rewards(RELEASED, feedback)[1, arm] == 0.005 * arm - 0.30
        assert rewards(PAPER, feedback)[1, arm] == arm * 0.30 / 20 - 0.01 * arm


def after_lessons(policy, arm):
    """Returns the computed steps once one arm is known to be far better than the others."""
    memory = policy.empty(GRID)
    for k in range(20):
        for m in policy.arms:
            memory.add(k, m, 0.0, float(m == arm))
    return drive(policy, GRID, memory.freeze()).computed


def test_a_cycle_of_the_paper_costs_one_call_and_of_the_released_code_two():
    assert after_lessons(PAPER, 2) == (0, 3, 6, 9, 12, 15, 18, 19)
    assert after_lessons(RELEASED, 2) == (0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 18, 19)


def test_untried_arms_come_in_rising_order_in_the_released_code_and_by_chance_in_the_paper():
    step = StepContext(GRID, 1, 0, (0, 0), PLAIN_SCHEME)
    memory = RELEASED.empty(GRID)
    for arm in (0, 2, 4, 6):
        probabilities = RELEASED.arm_probabilities([0, 2, 4, 6], step, memory)
        assert probabilities == [float(m == arm) for m in (0, 2, 4, 6)]
        memory.add(1, arm, 0.1, 0.0)
    untried = PAPER.arm_probabilities([0, 2, 4, 6], step, PAPER.empty(GRID))
    assert list(untried) == [0.25] * 4


def test_ties_go_to_the_smallest_arm_in_the_released_code_and_are_drawn_in_the_paper():
    step = StepContext(GRID, 1, 0, (0, 0), PLAIN_SCHEME)
    for policy, probabilities in ((RELEASED, [1.0, 0, 0, 0]), (PAPER, [0.25] * 4)):
        memory = policy.empty(GRID)
        for arm in policy.arms:
            memory.add(1, arm, 0.1, 0.5)
        assert list(policy.arm_probabilities([0, 2, 4, 6], step, memory)) == probabilities


def test_the_first_sample_of_the_released_code_tries_the_smallest_arm_everywhere():
    """All is untried, so arm 0 is drawn at every step and the first sample skips nothing."""
    assert drive(RELEASED, GRID).computed == tuple(range(20))
