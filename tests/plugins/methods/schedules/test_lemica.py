"""LeMiCa: its errors of single gaps against plain runs, and its path against all paths."""

from itertools import combinations

import pytest
import torch
from recorded_mixture import error, exactly, mixture_bench, stepwise

from fastflow_plugins.methods.published.lemica import LeMiCa, final_errors
from fastflow_plugins.methods.published.linear_schedule import recorded, states
from fastflow_plugins.methods.published.shortest_path import gaps


def test_the_cost_of_a_gap_is_the_final_error_of_a_run_that_reuses_in_this_gap_only():
    bench = mixture_bench(8)
    run, allowed = recorded(bench)[0], list(gaps(bench.model.grid(8), 4))
    errors, calls = final_errors(bench.model, run, allowed, 3)
    expected = 0
    for (k, end), found in zip(allowed, errors, strict=True):
        nodes = set(range(8)) - set(range(k + 1, end))
        x = stepwise(bench, run, nodes, lambda _, velocities, __: velocities[-1])
        true = float((x - states(run)[-1]).abs().mean())
        assert found == pytest.approx(true, rel=1e-9, abs=1e-12)
        expected += 8 - end if end > k + 1 else 0
    assert calls == expected


def test_its_schedule_has_the_least_worst_costs_of_all_schedules():
    bench = mixture_bench(10)
    allowed = list(gaps(bench.model.grid(10), 8))
    found = [final_errors(bench.model, run, allowed, 8)[0] for run in recorded(bench, 2)]
    costs = dict(zip(allowed, sum(found) / 2, strict=True))

    def worst_first(nodes):
        taken = zip(nodes, [*nodes[1:], 10], strict=True)
        return sorted((costs[gap] for gap in taken), reverse=True)

    every = [(0, *rest, 9) for rest in combinations(range(1, 9), 3)]
    learned = LeMiCa(computed_steps=5, prompts=2).learn(bench, [])
    assert worst_first(learned.what.nodes) == min(map(worst_first, every))
    assert learned.samples == 2


def test_more_computed_steps_err_less_and_all_of_them_not_at_all():
    bench = mixture_bench()
    methods = [LeMiCa(computed_steps=n) for n in (6, 12, 24)]
    errors = [error(method, bench, method.learn(bench, [])) for method in methods]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-12


def test_a_run_reuses_velocities():
    bench, method = mixture_bench(10), LeMiCa(computed_steps=4)
    learned, run = method.learn(bench, []), recorded(mixture_bench(10))[1]
    (sample,) = method.generate(bench, [run.problem.request], learned)
    nodes = learned.what.nodes
    slow = stepwise(bench, run, nodes, lambda _, velocities, __: velocities[-1])
    torch.testing.assert_close(sample.x, slow)
    assert sample.calls == len(sample.computed) == 4


@pytest.mark.parametrize("name", ["prompts", "longest"])
def test_values_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=exactly(f"`{name}` must be 1 or more, got 0.")):
        LeMiCa(**{name: 0})
