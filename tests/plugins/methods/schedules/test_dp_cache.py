"""DPCache: its series, its costs and its programme, each against another way to compute them."""

from itertools import combinations

import numpy as np
import pytest
import torch
from recorded_mixture import error, exactly, mixture_bench, stepwise

from fastflow_plugins.methods.published.dp_cache import (
    DPCache,
    least_over_pairs,
    path_costs,
    taylor,
    taylor_schedule,
)
from fastflow_plugins.methods.published.linear_schedule import Run, recorded, run_all


def series(steps, values, m):
    """Returns the published prediction of order 2 (or lower) from the last computed steps."""
    *_, j = steps
    v, d = values[-1], m - j
    if len(steps) == 1:
        return v
    first = (v - values[-2]) / (j - steps[-2])
    if len(steps) == 2:
        return v + d * first
    before = (values[-2] - values[-3]) / (steps[-2] - steps[-3])
    return v + d * first + d**2 / 2 * (first - before) / (j - steps[-2])


@pytest.mark.parametrize("steps", [[4], [2, 4], [0, 1, 4], [0, 1, 2, 5], [0, 3, 4, 8]])
def test_the_weights_are_those_of_the_published_series(steps):
    values = np.random.default_rng(0).normal(size=(len(steps), 5))
    for m in range(steps[-1] + 1, steps[-1] + 5):
        np.testing.assert_allclose(taylor(steps, m, 2) @ values, series(steps, values, m))


def test_evenly_spaced_steps_of_a_line_are_predicted_exactly():
    values = np.array([1.0, 3.0, 5.0])
    assert taylor([0, 2, 4], 9, 2) @ values == pytest.approx(10)


def test_the_cost_is_the_sum_of_mean_absolute_errors_up_to_the_next_computed_step():
    bench, method = mixture_bench(9), DPCache(computed_steps=5, first=2, longest=5)
    runs = recorded(bench)
    costs = path_costs(runs, bench.model.grid(9), method)
    for (i, j, k), found in costs.items():
        history = [m for m in (i - 1, i, j) if m >= 0]
        total = 0.0
        for run in runs:
            v = run.velocities
            for m in range(j + 1, min(k, 8) + 1):
                total += float((series(history, [v[n] for n in history], m) - v[m]).abs().mean())
        expected = 0.0 if k < method.first else total / len(runs)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert (-1, 0, 1) in costs
    assert (-1, 0, 2) not in costs  # the first two steps are computed


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 4, 5, 8])
def test_the_programme_finds_the_least_of_all_schedules(seed, count):
    random, steps = np.random.default_rng(seed), 8
    costs = {
        (i, j, k): float(random.random())
        for k in range(1, steps + 1)
        for j in range(k)
        for i in range(-1, j)
        if (i == -1) == (j == 0)
    }

    def total(nodes):
        whole = (-1, *nodes, steps)
        return sum(costs[triple] for triple in zip(whole, whole[1:], whole[2:]))

    every = [(0, *rest) for rest in combinations(range(1, steps), count - 1)]
    nodes = least_over_pairs(costs, steps, count)
    assert nodes in every
    assert total(nodes) == pytest.approx(min(map(total, every)))


def test_a_run_predicts_from_its_own_computed_steps():
    bench = mixture_bench(10)
    run, nodes = recorded(bench)[1], (0, 1, 2, 4, 7, 9)
    plan = taylor_schedule(nodes, run.problem.grid, 2)
    (x,) = run_all(bench.model, [Run(run.problem, plan, run.problem.x)], 1)

    def predict(k, velocities, _):
        known = [n for n in nodes if n < k]
        return series(known, [velocities[n] for n in known], k)

    torch.testing.assert_close(x, stepwise(bench, run, nodes, predict))


def test_it_computes_the_steps_it_says_the_first_ones_among_them():
    bench = mixture_bench()
    for count in (8, 12, 24):
        method = DPCache(computed_steps=count)
        learned = method.learn(bench, [])
        assert learned.what.nodes[:3] == (0, 1, 2)
        assert len(learned.what.nodes) == count
        assert learned.calls == bench.tuning.calls
    assert error(method, bench, learned) < 1e-12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": 0}, "`order` must be 1 or more, got 0."),
        ({"computed_steps": 3}, "`computed_steps` must be above `first`, which is 3, got 3."),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        DPCache(**changes)
