"""Feedback: what remains of an error after a correction, and observations from the side."""

import pytest
import torch

from fastflow import Grid
from fastflow.integration.corrector import NoCorrection
from fastflow.integration.episode import Scheme
from fastflow.integration.extrapolator import Reuse
from fastflow.integration.feedback import FeedbackSpec, exposure, remaining
from fastflow.integration.loop import flow
from fastflow.testing import uneven
from fastflow.testing.drive import euler
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear, Quadratic
from fastflow_plugins.policies import Schedule

GRID = uneven(12)


def run(computed, scheme, spec, velocity):
    """Returns the end of a scalar trajectory, which computes the given steps."""
    episode = Schedule(frozenset(computed))
    episode.feedback_spec = spec
    loop = flow(torch.zeros(1, 1, dtype=torch.float64), GRID, scheme, episode)
    step = next(loop)
    try:
        while True:
            v = torch.full_like(step.x, velocity(GRID.sigma[step.k]))
            step = loop.send((step.x, v if step.wants_model() else None, euler))
    except StopIteration as stop:
        return stop.value


def parabola(t):
    return 1 + 2 * t - 7 * t**2


def errors(observations):
    return {(o.step, o.arm): o.error for o in observations}


@pytest.mark.parametrize("before", [1, 2, 4])
def test_what_remains_of_a_parabolas_error_is_what_the_correction_leaves(before):
    """Whatever skip comes before: steps 0, before, 5, 9 are computed, and 6 to 8 are skipped."""
    spec, scheme = FeedbackSpec(loss="mse"), Scheme(Linear(), Interpolate())
    computed = {0, before, 5, 9, 10, 11}
    whole, skipped = (
        run(steps, scheme, spec, parabola) for steps in (computed | {6, 7, 8}, computed)
    )
    seen = next(o for o in skipped.feedback.observations if o.step == 5)
    left = abs((skipped.x - whole.x).item())
    assert seen.error**0.5 * seen.remaining == pytest.approx(left, rel=1e-5)


def test_without_a_correction_the_extrapolations_error_remains():
    spec, computed = FeedbackSpec(loss="mse"), {0, 3, 5, 9, 10, 11}
    for extrapolator, velocity in ((Linear(), parabola), (Reuse(), lambda t: 3 * t)):
        scheme = Scheme(extrapolator, NoCorrection())
        whole, skipped = (
            run(steps, scheme, spec, velocity) for steps in (computed | {6, 7, 8}, computed)
        )
        seen = next(o for o in skipped.feedback.observations if o.step == 5)
        left = abs((skipped.x - whole.x).item())
        assert seen.error**0.5 * seen.remaining == pytest.approx(left, rel=1e-5)


def test_with_one_velocity_what_remains_is_the_exposure():
    assert remaining(GRID, 2, 6, [GRID.sigma[2]], Interpolate()) == pytest.approx(
        exposure(GRID, 2, 6)
    )
    assert remaining(GRID, 2, 3, [GRID.sigma[2], GRID.sigma[1]], Interpolate()) == 0


@pytest.mark.parametrize(
    ("extrapolator", "velocity"),
    [(Reuse(), lambda t: 2 - t), (Linear(), parabola), (Quadratic(), lambda t: t**3 - t)],
    ids=["reuse", "linear", "quadratic"],
)
def test_side_observations_are_exact_for_a_polynomial_one_degree_above_the_extrapolators(
    extrapolator, velocity
):
    scheme, computed = Scheme(extrapolator, NoCorrection()), {0, 1, 3, 4, 8, 11}
    aside = FeedbackSpec(loss="mse", all_arms=True, side=True)
    landings = [
        errors(run({0, 1, 3, 4, j, 11}, scheme, FeedbackSpec(), velocity).feedback.observations)
        for j in (6, 7, 8)
    ]
    seen = run(computed, scheme, aside, velocity).feedback.observations
    sides = {o.arm: o for o in seen if o.step == 4 and not o.taken}
    assert set(sides) == {0, 1, 2}
    for arm, landing in zip((1, 2), landings):
        assert sides[arm].error == pytest.approx(landing[4, arm], rel=1e-4)
        assert sides[arm].landing == 4 + arm + 1
    assert errors(o for o in seen if o.taken)[4, 3] == pytest.approx(landings[2][4, 3])


def test_only_an_observation_from_the_side_lands_on_a_skipped_step():
    spec = FeedbackSpec(all_arms=True, side=True)
    end = run({0, 4, 11}, Scheme(Linear(), Interpolate()), spec, parabola)
    for seen in end.feedback.observations:
        assert seen.taken == (seen.landing in end.computed)


def test_a_grid_of_other_steps_has_other_remainders():
    even = Grid.even(12)
    times = [even.sigma[4], even.sigma[3]]
    # a gap of m steps after one of none: m / 6 steps, a third of the exposure's m / 2
    for m in (1, 2, 5):
        left = remaining(even, 4, 4 + m + 1, times, Interpolate())
        assert left == pytest.approx(m / 6 / 12, rel=1e-5)
        assert left == pytest.approx(exposure(even, 4, 4 + m + 1) / 3, rel=1e-5)
