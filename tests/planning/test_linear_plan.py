"""Plans and fitted weights: the loop follows them, and they are what they say."""

import numpy as np
import pytest
import torch

from fastflow.integration import Episode, MeanGram, NoCorrection, Reuse, Scheme
from fastflow.integration.gram import KEPT_WHOLE, SKETCH, products, sketch
from fastflow.integration.loop import flow
from fastflow.planning import (
    Fit,
    FittedCoefficients,
    LinearPlan,
    NodeSearch,
    PlannedCoefficients,
    Planner,
    piecewise_linear,
    polynomial_plan,
)
from fastflow.testing import uneven
from fastflow.testing.drive import euler, field, start
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear, Quadratic

JUMP = frozenset({10})
GRIDS = {
    "plain": uneven(20),
    "jump": uneven(20, jumps=JUMP),
    "open": uneven(20, compute_last=False),
}
NODES = (0, 1, 4, 7, 9, 10, 13, 18, 19)
SCHEMES = [
    Scheme(Reuse(), NoCorrection()),
    Scheme(Linear(), NoCorrection()),
    Scheme(Linear(), Interpolate()),
    Scheme(Quadratic(), Interpolate(order=3)),
]


class Following(Episode):
    """Computes given steps with given coefficients."""

    def __init__(self, nodes, coefficients=None):
        super().__init__()
        self.nodes, self.coefficients = nodes, coefficients

    def wants_model(self, context):
        return context.index in self.nodes


def run(grid, scheme, nodes, coefficients=None, velocity=field, moved=None):
    """Returns the final x, the computed steps, and x and v at each of them."""
    loop = flow(start(0), grid, scheme, Following(nodes, coefficients))
    seen, step = [], next(loop)
    try:
        while True:
            x = step.x if moved is None else moved(step.k, step.x)
            v = velocity(x, grid.sigma[step.k]) if step.wants_model() else None
            if v is not None:
                seen.append((step.k, x, v))
            step = loop.send((x, v, euler))
    except StopIteration as stop:
        return stop.value.x, stop.value.computed, seen


def gram_of(grid, samples=6):
    """Returns the mean Gram matrix of unskipped trajectories of the test field."""
    total = 0
    for i in range(samples):
        x, rows = start(i), []
        for k in range(grid.steps):
            rows.append(field(x, grid.sigma[k]))
            x = euler(x, rows[-1], grid.dsigmas[k])
        total = total + products(rows)
    return total / np.diag(total).mean()


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("name", GRIDS)
def test_a_polynomial_plan_takes_the_steps_of_its_scheme(name, scheme):
    grid = GRIDS[name]
    plan = polynomial_plan(NODES, grid, scheme)
    x, computed, _ = run(grid, scheme, NODES)
    planned, again, _ = run(grid, SCHEMES[0], NODES, PlannedCoefficients(plan, grid))
    assert again == computed == NODES
    assert torch.allclose(planned, x, rtol=1e-10, atol=1e-12)


def test_the_position_at_every_node_is_the_plan_s_weighted_sum():
    grid = GRIDS["jump"]
    rng = np.random.default_rng(0)
    pieces = [[k for k in NODES if k < 10], [k for k in NODES if k >= 10]]
    rows = [rng.normal(size=i + 1) for piece in pieces for i in range(len(piece))]
    plan = LinearPlan(NODES, tuple(map(tuple, rows)))
    end, _, seen = run(grid, SCHEMES[2], NODES, PlannedCoefficients(plan, grid))
    first, positions = {0: start(0), 10: None}, {k: x for k, x, _ in seen}
    positions[20], first[10] = end, positions[10]
    for i, row in enumerate(plan.weights):
        used = seen[i + 1 - len(row) : i + 1]
        wanted = first[used[0][0]] + sum(w * v for w, (_, _, v) in zip(row, used))
        following = (*NODES, 20)[i + 1]
        assert torch.allclose(positions[following], wanted, rtol=1e-9, atol=1e-10)


def test_what_the_driver_changes_in_x_stays():
    """A pipeline that blends latents between steps (inpainting) must not see them undone."""
    grid = GRIDS["plain"]
    plan = polynomial_plan(NODES, grid, SCHEMES[2])

    def moved(k, x):
        return x + 1.0 if k == 5 else x

    constant = lambda x, sigma: torch.ones_like(x)  # noqa: E731
    x, *_ = run(grid, SCHEMES[0], NODES, PlannedCoefficients(plan, grid), constant, moved)
    plain, *_ = run(grid, SCHEMES[0], NODES, PlannedCoefficients(plan, grid), constant)
    assert torch.allclose(x, plain + 1.0)


def test_other_steps_than_the_plan_s_are_taken_by_the_scheme():
    grid, scheme = GRIDS["plain"], SCHEMES[2]
    plan = polynomial_plan((0, 3, 6, 19), grid, scheme)
    x, *_ = run(grid, scheme, NODES, PlannedCoefficients(plan, grid))
    wanted, *_ = run(grid, scheme, NODES)
    assert torch.allclose(x, wanted, rtol=1e-10, atol=1e-12)


def test_never_skipping_is_euler_bit_for_bit_under_any_coefficients():
    grid, every = GRIDS["plain"], tuple(range(20))
    fit = Fit(gram_of(grid), grid)
    plain, *_ = run(grid, SCHEMES[0], every)
    for coefficients in (FittedCoefficients(fit), PlannedCoefficients(fit.plan(every), grid)):
        assert torch.equal(run(grid, SCHEMES[2], every, coefficients)[0], plain)


@pytest.mark.parametrize("name", GRIDS)
def test_the_residual_of_a_plan_is_the_error_on_the_recorded_velocities(name):
    grid = GRIDS[name]
    plan = polynomial_plan(NODES, grid, SCHEMES[2])
    x, recorded = start(0), {}
    for k in range(grid.steps):
        recorded[k] = (x, field(x, grid.sigma[k]))
        x = euler(x, recorded[k][1], grid.dsigmas[k])
    gram = np.full((20, 20), np.nan)
    for piece in ([*range(10)], [*range(10, 20)]) if name == "jump" else ([*range(20)],):
        gram[np.ix_(piece, piece)] = products([recorded[k][1] for k in piece])
    residuals = Fit(gram, grid).residuals(plan)
    velocities = iter([recorded[k][1] for k in NODES])
    _, _, seen = run(
        grid, SCHEMES[0], NODES, PlannedCoefficients(plan, grid), lambda x, s: next(velocities)
    )
    ends = {k: x for k, x, _ in seen}
    if name == "plain":
        for i, node in enumerate(NODES[1:]):
            error = (ends[node] - recorded[node][0]).square().mean().sqrt()
            assert residuals[i] == pytest.approx(error.item(), rel=1e-6, abs=1e-9)
    assert len(residuals) == len(NODES)


@pytest.mark.parametrize("name", ["plain", "open"])
def test_a_fit_of_the_trajectory_itself_beats_every_polynomial(name):
    grid = GRIDS[name]
    gram = gram_of(grid)
    fit = Fit(gram, grid, 1e-9)
    fitted = fit.residuals(fit.plan(NODES))
    for scheme in SCHEMES:
        assert fitted[-1] <= fit.residuals(polynomial_plan(NODES, grid, scheme))[-1]


def test_a_strong_ridge_leaves_the_piecewise_linear_scheme():
    grid = GRIDS["plain"]
    fit = Fit(gram_of(grid), grid, 1e12)
    wanted = polynomial_plan(NODES, grid, SCHEMES[2])
    for row, other in zip(fit.plan(NODES).weights, wanted.weights, strict=True):
        assert row == pytest.approx(other, abs=1e-9)
    row = piecewise_linear(NODES, grid, 0, 20)
    assert row == pytest.approx(wanted.weights[-1], abs=1e-12)


def test_missing_products_leave_the_step_to_the_scheme():
    gram = np.full((20, 20), np.nan)
    fit = Fit(gram, GRIDS["plain"])
    assert fit.weights((0, 1, 4), 7) is None
    assert fit.plan(NODES) is None


def test_the_search_lowers_its_cost_and_keeps_number_and_forced_steps():
    for grid in GRIDS.values():
        gram = gram_of(grid)
        if grid.jumps:
            early = np.arange(20) < 10
            gram[np.ix_(early, ~early)] = gram[np.ix_(~early, early)] = np.nan
        search = NodeSearch(gram, grid, 1e-6)
        best = search.improve(NODES, tries=300)
        assert search.cost(best) < search.cost(NODES)
        assert len(best) == len(NODES)
        assert {k for k in NODES if k in (0, 9, 10) and grid.jumps} <= set(best)


def test_a_plan_is_a_value():
    plan = polynomial_plan(NODES, GRIDS["jump"], SCHEMES[2])
    assert LinearPlan.from_dict(plan.to_dict()) == plan
    with pytest.raises(
        ValueError, match=r"^`nodes` must begin with 0 and increase, got \[1, 2\].$"
    ):
        LinearPlan((1, 2), ((1.0,), (1.0, 1.0)))
    with pytest.raises(ValueError, match="got lengths \\[1, 3\\]"):
        LinearPlan((0, 2), ((1.0,), (1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match=r"^`weights` must be finite numbers\.$"):
        LinearPlan((0,), ((float("nan"),),))


def test_a_sketch_keeps_the_products_of_large_velocities():
    generator = torch.Generator().manual_seed(1)
    basis = torch.randn(3, KEPT_WHOLE + 100_001, generator=generator)
    velocities = [basis[0], basis[0] + 0.1 * basis[1], basis[0] + 0.1 * basis[2]]
    exact = products(velocities)
    small = products([sketch(v) for v in velocities])
    assert sketch(velocities[0]).shape == (SKETCH,)
    for weights in ([1, 0, 0], [1, -1, 0], [1, -2, 1]):
        w = np.array(weights)
        assert w @ small @ w == pytest.approx(w @ exact @ w, rel=0.02)


def test_a_velocity_of_zero_is_planned_too():
    mean = MeanGram()
    assert mean.add(np.zeros((20, 20)))
    planner = Planner(mean.matrix, GRIDS["plain"], SCHEMES[2])
    assert {len(plan.nodes) for plan in planner.candidates(7).values()} == {7}
    assert not MeanGram().add(np.full((20, 20), np.nan))
