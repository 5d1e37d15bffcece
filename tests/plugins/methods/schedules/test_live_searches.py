"""BudCache and OSS: their live searches against trying everything on a tiny grid."""

from itertools import combinations

import numpy as np
import pytest
import torch
from recorded_mixture import error, exactly, mixture_bench, stepwise

from fastflow_plugins.methods.published.bud_cache import BudCache, LiveLoss, Moves
from fastflow_plugins.methods.published.linear_schedule import recorded, states
from fastflow_plugins.methods.published.optimal_steps import OptimalSteps, StudentSearch, medians


def reuse(_, velocities, __):
    return velocities[-1]


def test_bud_cache_judges_a_schedule_by_its_final_latents():
    bench = mixture_bench(9)
    run, live = recorded(bench)[0], LiveLoss(bench, recorded(bench)[0])
    schedules = [(0, 3, 5, 8), (0, 1, 2, 8), (0, 3, 5, 8)]
    for nodes, loss in zip(schedules, live.of(schedules), strict=True):
        x = stepwise(bench, run, nodes, reuse)
        assert loss == pytest.approx(float((x - states(run)[-1]).square().mean()))
    assert live.calls == 8  # a schedule is run once
    live.of(schedules)
    assert live.calls == 8


@pytest.mark.parametrize("seed", range(3))
def test_bud_cache_finds_the_best_schedule_of_a_tiny_grid(seed):
    bench = mixture_bench(9)
    live = LiveLoss(bench, recorded(bench)[0])
    every = [(0, *rest, 8) for rest in combinations(range(1, 8), 3)]
    method = BudCache(computed_steps=5, annealing=60, seed=seed, hot=1e-2)
    learned = method.learn(bench, [])
    assert learned.facts["loss"] == pytest.approx(min(live.of(every)))
    assert learned.what.nodes == every[int(np.argmin(live.of(every)))]


def test_bud_cache_keeps_the_first_steps_and_the_number_of_steps():
    moves = Moves(mixture_bench().model.grid(24), 12, seed=0)
    nodes = moves.start()
    for _ in range(50):
        others = [moves.candidate(nodes), *moves.neighbours(nodes)]
        for other in others:
            assert len(other) == len(set(other)) == 12
            assert {0, 1, 2, 23} <= set(other) <= set(range(24))
        nodes = others[0]


def test_bud_cache_refuses_fewer_steps_than_have_to_be_computed():
    with pytest.raises(
        ValueError, match=exactly("`computed_steps` must be from 2 to 24 here, got 1.")
    ):
        Moves(mixture_bench().model.grid(24), 1, seed=0)


def best_of_cells(bench, run, count):
    """Returns OSS's steps by recursion: of each cell, the chain that ends nearest."""
    sigma, steps, full = run.problem.grid.sigma, run.problem.grid.steps, states(run)

    def cell(n, j):
        """Returns (distance, state, steps) of the state kept at step j after n computed steps."""
        if n == 0:
            return (0.0, full[0], ()) if j == 0 else None
        found = []
        for i in range(j):
            # the last step is computed, so the end is reached from it alone
            if (before := cell(n - 1, i)) and (j < steps or i == steps - 1):
                t = run.problem.grid.model_times[i : i + 1]
                v = bench.model.velocity(before[1], t, [None])
                x = before[1] + (sigma[j] - sigma[i]) * v
                found.append((float((x - full[j]).square().mean()), x, (*before[2], i)))
        return min(found, key=lambda one: one[0], default=None)

    return cell(count, steps)[2]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_oss_keeps_the_nearest_real_state_of_each_cell(count):
    bench = mixture_bench(7)
    for run in recorded(bench):
        search = StudentSearch(bench.model, run, run.problem.grid, 4)
        assert search.best(count) == best_of_cells(bench, run, count)
        assert search.calls <= count * 7


def test_oss_takes_the_median_of_the_prompts_steps():
    assert medians([(0, 2, 9), (0, 5, 9), (0, 3, 9)]) == (0, 3, 9)
    assert medians([(0, 2, 4, 9), (0, 5, 6, 9)]) == (0, 3, 5, 9)


@pytest.mark.parametrize("method", [BudCache(annealing=30), OptimalSteps()])
def test_more_computed_steps_err_less_and_all_of_them_not_at_all(method):
    bench, errors = mixture_bench(), []
    for count in (6, 12, 24):
        at = method.at(count)
        learned = at.learn(bench, [])
        errors.append(error(at, bench, learned))
        assert len(learned.what.nodes) == count
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-12


def test_a_run_reuses_velocities():
    bench, method = mixture_bench(10), OptimalSteps(computed_steps=4, prompts=3)
    learned, run = method.learn(bench, []), recorded(mixture_bench(10))[1]
    (sample,) = method.generate(bench, [run.problem.request], learned)
    torch.testing.assert_close(sample.x, stepwise(bench, run, learned.what.nodes, reuse))
    assert learned.samples == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BudCache(climbing=-1), "`climbing` must be 0 or more, got -1."),
        (
            lambda: BudCache(hot=1e-6),
            "`cold` must be above 0 and at most `hot`, which is 1e-06, got 1e-05.",
        ),
        (lambda: OptimalSteps(prompts=0), "`prompts` must be 1 or more, got 0."),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=exactly(message)):
        make()
