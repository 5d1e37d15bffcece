"""Published predictors: their weights against the same rule on data, written another way."""

import numpy as np
import pytest

from fastflow_plugins.extrapolators import Linear, Spectrum

TIMES = [0.31, 0.42, 0.47, 0.63, 0.70, 0.88, 0.93, 1.0]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("order", [0, 1, 4])
@pytest.mark.parametrize("ridge", [1e-6, 0.1, 10.0])
def test_spectrum_is_the_ridge_fit_mixed_with_the_line(count, order, ridge):
    """The fit is least squares with the ridge as further rows, in ``T_n(cos a) = cos(n a)``."""
    times, t, share = TIMES[:count], 0.17, 0.7
    velocities = np.random.default_rng(count).standard_normal((count, 3))
    degrees = np.arange(order + 1)
    rows = np.cos(np.outer(np.arccos(1 - 2 * np.array(times)), degrees))
    rows = np.vstack([rows, np.sqrt(ridge) * np.eye(order + 1)])
    values = np.vstack([velocities, np.zeros((order + 1, 3))])
    fit, *_ = np.linalg.lstsq(rows, values, rcond=None)
    fitted = np.cos(np.arccos(1 - 2 * t) * degrees) @ fit
    line = velocities[0]
    if count > 1:
        slope = (velocities[0] - velocities[1]) / (times[0] - times[1])
        line = velocities[0] + (t - times[0]) * slope
    weights = Spectrum(order=order, ridge=ridge, share=share).weights(times, t)
    np.testing.assert_allclose(
        np.array(weights) @ velocities, share * fitted + (1 - share) * line, atol=1e-9
    )


def test_spectrum_without_ridge_is_exact_on_polynomials_of_its_order():
    values = [2 - t + 3 * t**4 for t in TIMES]
    weights = Spectrum(ridge=1e-12, share=1.0).weights(TIMES, 0.2)
    assert np.dot(weights, values) == pytest.approx(2 - 0.2 + 3 * 0.2**4, abs=1e-5)


def test_foca_on_velocities_is_the_line_through_the_last_two():
    """Its BDF2 forecast has the slope that it was made with, so Heun's average is that slope.

    Equations 6 to 8 of https://arxiv.org/abs/2508.16211, with the change per time of the last two
    computed velocities as the derivative: what FoCa adds lies in forecasts from forecasts.
    """
    v = np.random.default_rng(0).standard_normal((2, 3))
    for t in (0.29, 0.2, 0.05):
        times, h = (0.31, 0.42), t - 0.31
        slope = (v[0] - v[1]) / (times[0] - times[1])
        forecast = 4 / 3 * v[0] - 1 / 3 * v[1] + 2 / 3 * h * slope
        derivative = (3 * forecast - 4 * v[0] + v[1]) / (2 * h)
        calibrated = v[0] + h / 2 * (slope + derivative)
        np.testing.assert_allclose(np.array(Linear().weights(times, t)) @ v, calibrated)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"order": -1}, "`order` must be 0 or more, got -1."),
        ({"history": 1}, "`history` must be 2 or more, got 1."),
        ({"ridge": 0.0}, "`ridge` must be above 0, got 0.0."),
        ({"share": 1.5}, "`share` must be from 0 to 1, got 1.5."),
    ],
)
def test_a_wrong_parameter_is_refused(parameters, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        Spectrum(**parameters)
    assert str(refusal.value) == message
