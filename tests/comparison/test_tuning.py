"""The search finds the value of a knob that comes closest to a number of computed steps."""

import pytest

from fastflow.comparison.tuning import Search
from fastflow.evaluation.method import Knob


def search(steps, **knob):
    tried = []

    def steps_at(value):
        tried.append(value)
        return steps(value)

    return Search(Knob("threshold", **knob), steps_at), tried


@pytest.mark.parametrize("target", [45, 25, 19, 14, 10])
def test_a_falling_knob_is_tuned_to_within_a_quarter_of_a_step(target):
    tuning, _ = search(lambda value: 2 + 48 / (1 + 40 * value), low=0.0, high=5.0)
    value = tuning.find(target)
    assert tuning.tried[value] == pytest.approx(target, abs=0.25)


def test_a_rising_knob_is_tuned_too():
    tuning, _ = search(lambda value: 50 * value, low=0.0, high=1.0)
    assert 50 * tuning.find(19) == pytest.approx(19, abs=0.25)


def test_where_steps_jump_over_the_target_the_closest_value_is_returned():
    tuning, _ = search(lambda value: 30 if value < 0.4 else 18, low=0.0, high=1.0)
    assert tuning.find(19) >= 0.4
    assert tuning.find(29) < 0.4


def test_for_a_target_out_of_reach_the_closest_end_is_returned():
    tuning, _ = search(lambda value: 20 - 5 * value, low=0.0, high=1.0)
    assert tuning.find(25) == 0.0
    assert tuning.find(10) == 1.0


def test_a_whole_knob_is_tried_at_whole_numbers_only():
    tuning, tried = search(lambda value: 50 / value, low=1, high=12, whole=True)
    assert tuning.find(10) == 5
    assert all(value == int(value) for value in tried)


def test_what_was_tried_for_one_target_is_not_tried_again_for_another():
    tuning, tried = search(lambda value: 50 - 40 * value, low=0.0, high=1.0)
    for target in (40, 30, 20, 40, 30, 20):
        tuning.find(target)
    assert len(tried) == len(set(tried))


def test_a_knob_that_is_the_number_of_computed_steps_is_not_searched():
    tuning, tried = search(lambda value: 1 / 0, is_computed_steps=True)
    assert tuning.find(19) == 19
    assert not tried
