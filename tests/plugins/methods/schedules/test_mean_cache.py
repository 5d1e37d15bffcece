"""MeanCache: its formula, its costs and its path, each against another way to compute them."""

from itertools import combinations

import numpy as np
import pytest
import torch
from recorded_mixture import error, exactly, measured, mixture_bench, stepwise

from fastflow.integration.grid import Grid
from fastflow_plugins.methods.published.linear_schedule import Run, recorded, run_all, states
from fastflow_plugins.methods.published.mean_cache import MeanCache, average_schedule, deviations
from fastflow_plugins.methods.published.shortest_path import gaps


def estimated(positions, velocities, sigma, t, s, span):
    """Returns u from positions alone: the published formula, term by term."""
    r = max(t - span, 0)
    if r == t:
        return velocities[t]
    average = (positions[t] - positions[r]) / (sigma[t] - sigma[r])
    jvp = (average - velocities[r]) / (sigma[t] - sigma[r])
    return velocities[t] + (sigma[s] - sigma[t]) * jvp


def test_the_cost_of_a_gap_is_the_published_formula_with_its_best_span():
    bench, spans = mixture_bench(10), (1, 2, 4)
    grid, runs = bench.model.grid(10), recorded(mixture_bench(10))
    costs, best = deviations(runs, grid, spans, 4)
    for t, s in gaps(grid, 4):
        found = dict.fromkeys(spans, 0.0)
        for run in runs:
            x = states(run)
            true = (x[s] - x[t]) / (grid.sigma[s] - grid.sigma[t])
            for span in spans:
                u = estimated(x, run.velocities, grid.sigma, t, s, span)
                found[span] += float((true - u).abs().mean()) / len(runs)
        if s == t + 1:
            assert costs[t, s] == pytest.approx(0, abs=1e-6)
            continue
        assert costs[t, s] == pytest.approx(min(found.values()), rel=1e-4, abs=1e-6)
        assert found[best[t, s]] == pytest.approx(min(found.values()), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("gamma", [1.0, 4.0])
def test_its_schedule_has_the_least_sum_of_powers_of_all_schedules(gamma):
    bench = mixture_bench(10)
    method = MeanCache(computed_steps=6, gamma=gamma, longest=9)
    grid = bench.model.grid(10)
    costs, _ = deviations(recorded(bench), grid, method.spans, method.longest)

    def total(nodes):
        return sum(costs[gap] ** gamma for gap in zip(nodes, [*nodes[1:], 10], strict=True))

    nodes = method.learn(bench, []).what.nodes
    every = [(0, *rest, 9) for rest in combinations(range(1, 9), 4)]
    assert total(nodes) == pytest.approx(min(map(total, every)))


def test_a_run_takes_the_average_velocity_of_its_own_positions():
    bench = mixture_bench(10)
    run, sigma = recorded(bench)[1], bench.model.grid(10).sigma
    nodes, spans = (0, 2, 3, 7, 9), {(0, 2): 2, (2, 3): 1, (3, 7): 3, (7, 9): 5, (9, 10): 1}
    span_of = {k: span for (t, s), span in spans.items() for k in range(t, s)}

    def predict(k, velocities, positions):
        """Has the published formula from the step before, as the authors' code has it."""
        r = max(k - span_of[k], 0)
        average = (positions[k] - positions[r]) / (sigma[k] - sigma[r])
        jvp = (average - velocities[r]) / (sigma[k] - sigma[r])
        return velocities[-1] + (sigma[k + 1] - sigma[k]) * jvp

    plan = average_schedule(nodes, spans, run.problem.grid)
    (x,) = run_all(bench.model, [Run(run.problem, plan, run.problem.x)], 1)
    torch.testing.assert_close(x, stepwise(bench, run, nodes, predict))


def test_without_spans_beyond_one_it_reuses_velocities():
    bench = mixture_bench(10)
    run, grid = recorded(bench)[0], bench.model.grid(10)
    nodes = (0, 1, 4, 9)
    plan = average_schedule(nodes, dict.fromkeys(gaps(grid, 8), 1), grid)
    (x,) = run_all(bench.model, [Run(run.problem, plan, run.problem.x)], 1)
    slow = stepwise(bench, run, nodes, lambda k, velocities, _: velocities[-1])
    torch.testing.assert_close(x, slow)


def test_nothing_is_estimated_across_a_jump():
    grid = Grid(torch.linspace(1, 0, 9), jumps=frozenset({4}))
    spans = dict.fromkeys(gaps(grid, 8), 6)
    nodes = (0, 1, 3, 4, 7)
    plan = average_schedule(nodes, spans, grid)
    own = np.array(plan.weights[3]) - [*plan.weights[2], 0.0]
    assert (own[:3] == 0).all()
    assert own.sum() == pytest.approx(grid.sigma[7] - grid.sigma[4])
    assert [len(row) for row in plan.plan(grid).weights] == [1, 2, 3, 1, 2]


def test_all_steps_computed_is_the_reference_run():
    bench = mixture_bench()
    method = MeanCache(computed_steps=24)
    assert error(method, bench, method.learn(bench, [])) < 1e-12
    assert measured()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gamma": 0.0}, "`gamma` must be above 0, got 0.0."),
        ({"longest": 0}, "`longest` must be 1 or more, got 0."),
        ({"spans": ()}, "`spans` must hold numbers from 1 on, got ()."),
        ({"computed_steps": 1}, "`computed_steps` must be 2 or more, got 1."),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        MeanCache(**changes)
