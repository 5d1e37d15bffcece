"""The line through the last velocity and one computed longer ago."""

import pytest

from fastflow_plugins.extrapolators import Linear, Secant


def test_a_lag_of_one_is_linear():
    times = (0.4, 0.7)
    assert Secant(lag=1).weights(times, 0.1) == Linear().weights(times, 0.1)


def test_only_the_last_velocity_and_that_of_the_lag_count():
    last, *between, earlier = Secant(lag=3).weights((0.4, 0.5, 0.7, 0.8), 0.0)
    assert (last, between, earlier) == (pytest.approx(2.0), [0.0, 0.0], pytest.approx(-1.0))


def test_the_earliest_is_taken_while_fewer_are_computed():
    assert Secant(lag=3).weights((0.4,), 0.0) == (1.0,)
    assert Secant(lag=3).weights((0.4, 0.8), 0.0) == pytest.approx((2.0, -1.0))


@pytest.mark.parametrize("lag", [0, -1, 1.5, "two"])
def test_a_lag_that_is_no_count_is_refused(lag):
    with pytest.raises(ValueError, match="`lag` must be a whole number of 1 or more"):
        Secant(lag=lag)
