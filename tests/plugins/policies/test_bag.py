"""BAG: the budget is spent exactly, the scalars are those of the paper, the gate learns."""

from itertools import combinations

import numpy as np
import pytest
import torch

from fastflow import Request
from fastflow.sampling.recording import Recording
from fastflow.testing import drive, uneven
from fastflow.testing.drive import field, grids, start
from fastflow_plugins.models.mixture import Mixture
from fastflow_plugins.policies.published.bag import BAG, examples
from fastflow_plugins.policies.published.gate import GATE_RIDGE, Gate


def gates(count=5):
    draws = np.random.default_rng(0)
    yield ()
    for _ in range(count):
        gate = draws.standard_normal(Gate.SIZE)
        gate[Gate.SCALARS : 2 * Gate.SCALARS] = 1.0
        yield tuple(gate)


@pytest.mark.parametrize("grid", [*grids().values(), uneven(50)])
def test_every_budget_is_spent_exactly_whatever_the_gate_says(grid):
    forced = {k for k in range(grid.steps) if grid.is_forced(k)}
    for gate in gates():
        for budget in range(len(forced), grid.steps + 1):
            computed = drive(BAG(computed_steps=budget, gate=gate), grid).computed
            assert len(computed) == budget
            assert forced <= set(computed)


def test_without_a_gate_the_steps_are_about_evenly_spread():
    computed = drive(BAG(computed_steps=11), uneven(50)).computed
    gaps = np.diff(computed)
    assert gaps.min() >= 4
    assert gaps.max() <= 7


def test_a_budget_that_the_grid_does_not_allow_is_refused():
    grid = uneven(12, jumps=frozenset({6}))
    for budget in (3, 13):
        with pytest.raises(ValueError) as refusal:  # noqa: PT011
            drive(BAG(computed_steps=budget), grid)
        assert str(refusal.value) == (
            "`computed_steps` must be from 4 to 12 on a grid of 12 steps of which 4 are always "
            f"computed, got {budget}."
        )


def test_the_gate_sees_the_six_scalars_of_the_paper(monkeypatch):
    grid, seen = uneven(30), []
    monkeypatch.setattr(Gate, "says", lambda self, state: seen.append(state) or len(seen) % 3 == 0)
    computed = drive(BAG(computed_steps=9), grid).computed
    xs, v = [start(0)], None
    for k in range(grid.steps):
        v = field(xs[-1], grid.sigma[k]) if k in computed else v
        xs.append(xs[-1] + (grid.sigma[k + 1] - grid.sigma[k]) * v)
    expected = []
    for k in range(1, grid.steps - 1):
        before = [j for j in computed if j < k]
        left, last = 9 - len(before), before[-1]
        if left == 1:  # the last step takes it
            break
        moved = [float((xs[k] - xs[j]).norm() / xs[j].norm()) for j in (last, k - 1)]
        expected.append((9 / 30, left / 9, left / (30 - k), k - last, *moved))
    np.testing.assert_allclose(seen, expected, rtol=1e-5)


@pytest.fixture(scope="module")
def recording():
    model = Mixture().load(dtype="float64")
    return Recording.make(model, [Request(i, "", i, 8) for i in range(6)], 6)


def cheapest(velocities, sigma, budget):
    """Tries every schedule; its cost is the sum over the gaps of the drift that reuse causes."""
    steps = len(velocities)
    v = np.stack([velocity.flatten().numpy() for velocity in velocities])
    h = np.diff(sigma)

    def cost(schedule):
        ends = [*schedule[1:], steps]
        return sum(
            np.sqrt(np.mean(sum(h[i] * (v[k] - v[i]) for i in range(k + 1, j)) ** 2))
            for k, j in zip(schedule, ends, strict=True)
            if j > k + 1
        )

    inner = combinations(range(1, steps - 1), budget - 2)
    return min(((0, *chosen, steps - 1) for chosen in inner), key=cost)


def test_the_gate_is_trained_on_the_best_schedule_of_each_trajectory(recording):
    states, computed = examples(recording)
    shares, found = states[:, 0], 0
    for budget in (2, 3, 4):
        ours = computed[np.isclose(shares, budget / 8)].reshape(6, 6)
        assert np.isclose(shares, budget / 8).sum() == 36
        for row, run in zip(ours, recording.trajectories.values(), strict=True):
            best = cheapest(run.velocities, run.problem.grid.sigma, budget)
            assert tuple(np.flatnonzero(row) + 1) == best[1:-1]
            found += 1
    assert found == 18


def test_the_states_are_those_of_the_run_that_skips(recording):
    """Driven with the recorded velocities and the same decisions, the gate sees the same."""
    states, computed = examples(recording)
    run = recording.trajectories[0]
    rows = np.isclose(states[:, 0], 4 / 8)
    grid, x, xs, v = run.problem.grid, run.problem.x, [], None
    chosen = {0, 7, *(np.flatnonzero(computed[rows][:6]) + 1)}
    for k in range(8):
        xs.append(x)
        v = run.velocities[k] if k in chosen else v
        x = x + (grid.sigma[k + 1] - grid.sigma[k]) * v
    for k, state in enumerate(states[rows][:6], start=1):
        last = max(j for j in chosen if j < k)
        left = 4 - sum(j < k for j in chosen)
        moved = [float((xs[k] - xs[j]).norm() / xs[j].norm()) for j in (last, k - 1)]
        expected = [4 / 8, left / 4, left / (8 - k), k - last, *moved]
        np.testing.assert_allclose(state, expected, rtol=1e-5)


def test_a_calibrated_gate_keeps_the_budget_and_says_how_well_it_imitates(recording):
    policy = BAG(computed_steps=4).calibrated(recording)
    assert policy == BAG(computed_steps=4).calibrated(recording)
    quality = policy.quality(recording)
    assert quality["decisions"] == 6 * 6 * 3
    assert quality["balanced accuracy"] > 0.75
    assert len(drive(policy, uneven(8)).computed) == 4


def test_a_gate_recovers_a_rule():
    draws = np.random.default_rng(1)
    states = draws.uniform(size=(4000, 6))
    rule = states[:, 3] * states[:, 4] > 0.2
    fitted = Gate.fitted(states, rule)
    says = [fitted.says(state) for state in draws.uniform(size=(500, 6))]
    fresh = np.random.default_rng(1)
    fresh.uniform(size=(4000, 6))
    true = [s[3] * s[4] > 0.2 for s in fresh.uniform(size=(500, 6))]
    assert np.mean(np.array(says) == np.array(true)) > 0.97


def test_a_fitted_gate_is_the_minimum_of_the_balanced_cross_entropy():
    """Its gradient, by automatic differentiation of the loss as torch states it, is zero."""
    draws = np.random.default_rng(2)
    states = draws.standard_normal((300, 6))
    computed = states[:, 0] + draws.standard_normal(300) > 1
    parameters = torch.tensor(Gate.fitted(states, computed).parameters, dtype=torch.float64)
    coefficients = parameters[12:].requires_grad_()
    z = (torch.tensor(states) - parameters[:6]) / parameters[6:12]
    upper = torch.triu_indices(6, 6)
    products = (z[:, :, None] * z[:, None, :])[:, upper[0], upper[1]]
    terms = torch.cat([torch.ones(300, 1, dtype=torch.float64), z, products], dim=1)
    labels = torch.tensor(computed, dtype=torch.float64)
    share = labels.mean()
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        terms @ coefficients, labels, reduction="none"
    )
    weights = torch.where(labels > 0, 0.5 / share, 0.5 / (1 - share))
    loss = (weights * losses).mean() + GATE_RIDGE / 2 * coefficients[1:].square().sum()
    (gradient,) = torch.autograd.grad(loss, [coefficients])
    assert gradient.abs().max() < 1e-8


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"computed_steps": 0}, "`computed_steps` must be 1 or more, got 0."),
        ({"gate": (1.0, 2.0)}, "`gate` must be empty or 40 finite numbers, got [1.0, 2.0]."),
    ],
)
def test_a_wrong_parameter_is_refused(parameters, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        BAG(**parameters)
    assert str(refusal.value) == message
