"""Optimal schedules: their costs are those of skipping, and no schedule costs less."""

from itertools import combinations

import numpy as np
import pytest
import torch

from fastflow.integration.corrector import NoCorrection
from fastflow.integration.episode import Scheme, Unskipped
from fastflow.integration.extrapolator import Reuse
from fastflow.integration.feedback import FeedbackSpec
from fastflow.integration.gram import from_lists, to_lists
from fastflow.integration.loop import flow
from fastflow.planning.optimal_schedule import OptimalSchedule
from fastflow.testing import uneven
from fastflow.testing.drive import euler, field, start
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear, Quadratic
from fastflow_plugins.policies.static import Schedule

SCHEMES = [
    Scheme(Reuse(), NoCorrection()),
    Scheme(Reuse(), Interpolate()),
    Scheme(Linear(), NoCorrection()),
    Scheme(Linear(), Interpolate()),
    Scheme(Linear(), Interpolate(order=2)),
    Scheme(Quadratic(), Interpolate(order=3)),
]
GRIDS = {
    "plain": uneven(9),
    "jump": uneven(10, jumps=frozenset({5})),
    "open": uneven(8, compute_last=False),
}


def recorded(grid, sample=0):
    """Returns the velocities and the feedback of an unskipped trajectory."""
    episode, velocities = Unskipped(FeedbackSpec(gram=True)), []
    loop = flow(start(sample), grid, SCHEMES[0], episode)
    step = next(loop)
    try:
        while True:
            velocities.append(field(step.x, grid.sigma[step.k]))
            step = loop.send((step.x, velocities[-1], euler))
    except StopIteration as stop:
        return velocities, stop.value.feedback


def replayed(grid, scheme, velocities, computed):
    """Returns the final x of a schedule if the model returns recorded velocities."""
    loop = flow(start(0), grid, scheme, Schedule(set(computed)))
    step = next(loop)
    try:
        while True:
            step = loop.send((step.x, velocities[step.k] if step.wants_model() else None, euler))
    except StopIteration as stop:
        return stop.value.x


def test_the_gram_matrix_holds_the_mean_products_of_all_pairs():
    velocities, feedback = recorded(GRIDS["plain"])
    v = torch.cat(velocities)
    assert feedback.gram == pytest.approx((v @ v.T / v.shape[1]).numpy(), rel=1e-12)


def test_the_gram_matrix_has_no_products_across_a_jump():
    grid = uneven(9, jumps=frozenset({4}))
    gram = recorded(grid)[1].gram
    early = np.arange(9) < 4
    assert np.isnan(gram[np.ix_(early, ~early)]).all()
    assert np.isfinite(gram[np.ix_(early, early)]).all()
    assert np.isfinite(gram[np.ix_(~early, ~early)]).all()


def test_the_gram_matrix_survives_json():
    gram = recorded(uneven(9, jumps=frozenset({4})))[1].gram
    again = from_lists(to_lists(gram))
    assert np.array_equal(gram, again, equal_nan=True)


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("name", GRIDS)
def test_the_cost_of_one_gap_is_the_error_of_the_final_x(name, scheme):
    grid = GRIDS[name]
    velocities, feedback = recorded(grid)
    optimum = OptimalSchedule(feedback.gram[None], grid, scheme)
    reference = replayed(grid, scheme, velocities, range(grid.steps))
    for first in range(1, grid.steps):
        for last in range(first, grid.steps):
            computed = [k for k in range(grid.steps) if not first <= k <= last]
            if any(grid.is_forced(k) for k in range(first, last + 1)):
                continue
            moved = replayed(grid, scheme, velocities, computed) - reference
            (cost,) = optimum.cost(tuple(computed))
            assert moved.square().mean().sqrt().item() == pytest.approx(cost, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("each", [False, True], ids=["shared", "each"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("name", GRIDS)
def test_no_schedule_of_as_many_computed_steps_costs_less(name, scheme, each):
    grid, longest = GRIDS[name], 3
    grams = np.stack([recorded(grid, i)[1].gram for i in range(3)])
    optimum = OptimalSchedule(grams, grid, scheme, longest, each)
    forced = {k for k in range(grid.steps) if grid.is_forced(k)}
    tried = 0
    for calls in range(3, grid.steps + 1):
        costs = [
            optimum.cost(computed)
            for computed in combinations(range(grid.steps), calls)
            if forced <= set(computed) and fits(computed, grid.steps, longest)
        ]
        tried += len(costs)
        if costs:
            schedules = optimum.best(calls)
            assert len(schedules) == (3 if each else 1)
            for i, best in enumerate(schedules):
                assert len(best) == calls
                assert forced <= set(best)
                least = min(cost[i] for cost in costs)
                assert optimum.cost(best)[i] == pytest.approx(least, rel=1e-12, abs=1e-15)
    assert tried > 20


def fits(computed, steps, longest):
    return all(b - a - 1 <= longest for a, b in zip(computed, (*computed[1:], steps)))


def test_a_number_of_computed_steps_that_no_schedule_has_is_refused():
    grid = GRIDS["plain"]
    optimum = OptimalSchedule(recorded(grid)[1].gram[None], grid, SCHEMES[2], longest=3)
    message = (
        "`computed_steps` must be from 3 to 9 on a grid of 9 steps if at most 3 in a row are "
        "skipped, got 2."
    )
    with pytest.raises(ValueError, match="^" + message.replace(".", r"\.")):
        optimum.best(2)
