"""Rewards, against values computed by hand."""

import pytest

from fastflow.integration import Observation
from fastflow.policies.reward import Drift, Fixed, Normalised, Paper


def seen(arm, error, exposure=0.0, step=2):
    return Observation(step, arm, step + arm + 1, error, exposure, True)


FIRST = [seen(0, 0.1), seen(2, 0.4, 0.05), seen(4, 0.8, 0.1)]


def test_the_papers_mu_is_the_largest_error_over_the_steps():
    reward = Paper()
    assert reward.calibrate(FIRST, 50) == {"mu": pytest.approx(0.8 / 50)}
    assert reward.value(seen(4, 0.03), {"mu": 0.016}) == pytest.approx(4 * 0.016 - 0.03)
    assert Paper(scale=2.0).calibrate(FIRST, 50) == {"mu": pytest.approx(1.6 / 50)}


def test_a_fixed_mu_is_the_value_of_a_skipped_step():
    assert Fixed(mu=0.01).calibrate(FIRST, 50) == {}
    assert Fixed(mu=0.01).value(seen(6, 0.05), {}) == pytest.approx(0.01)
    assert Fixed(mu=0.01).value(seen(0, 0.05), {}) == -0.05


def test_a_normalised_reward_weights_errors_by_exposure():
    reward = Normalised(mu=0.1)
    unit = (0.05 * 0.4 + 0.1 * 0.8) / 2
    assert reward.calibrate(FIRST, 50) == {"unit": pytest.approx(unit)}
    value = reward.value(seen(4, 0.2, 0.1), {"unit": unit})
    assert value == pytest.approx(0.4 - 0.1 * 0.2 / unit)


def test_a_normalised_reward_does_not_change_with_the_units_of_the_model():
    small, large = FIRST, [seen(o.arm, 1000 * o.error, o.exposure) for o in FIRST]
    reward = Normalised()
    a, b = reward.calibrate(small, 50), reward.calibrate(large, 50)
    for o, scaled in zip(small, large):
        assert reward.value(o, a) == pytest.approx(reward.value(scaled, b))


def test_an_unknown_loss_is_refused():
    message = "^`loss` must be one of mse, relative_l2, relative_l1, got 'l7'.$"
    with pytest.raises(ValueError, match=message):
        Paper(loss="l7")


def test_drift_charges_what_remains_of_an_error():
    reward = Drift(mu=0.1, power=1.0, early=1.0)
    first = [Observation(2, m, 3 + m, 0.4, 0.3, True, 0.05 * m) for m in (0, 2, 4)]
    unit = 0.4 * (0.1 + 0.2) / 2
    assert reward.calibrate(first, 50) == {"unit": pytest.approx(unit)}
    value = reward.value(first[2], {"unit": unit})
    assert value == pytest.approx(0.4 - 0.2 * 0.4 / unit)


def test_drift_takes_the_exposure_where_it_is_not_known_what_remains():
    plain = Drift(mu=0.0, power=1.0, early=1.0)
    assert plain.value(seen(4, 0.2, 0.1), {"unit": 1.0}) == pytest.approx(-0.02)


def test_drift_charges_early_errors_more_and_takes_a_power():
    reward, at = Drift(mu=0.0, power=2.0, early=3.0), {"unit": 0.5}
    late, early = (Observation(2, 1, 4, 0.4, 0.3, True, 0.5, sigma) for sigma in (0.0, 1.0))
    assert reward.value(late, at) == pytest.approx(-((0.2 / 0.5) ** 2))
    assert reward.value(early, at) == pytest.approx(-((3 * 0.2 / 0.5) ** 2))
    with pytest.raises(ValueError, match=r"^`early` must be above 0, got 0\.$"):
        Drift(early=0)
