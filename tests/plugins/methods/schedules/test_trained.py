"""Trained solvers: their parametrisations, their training, and the files that keep them."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from recorded_mixture import error, exactly, mixture_bench
from tiny_pipelines import flux

from fastflow import Request, Sampler
from fastflow.evaluation.method import Bench
from fastflow.integration import Grid, NoCorrection, Reuse
from fastflow.sampling.recording import Recording
from fastflow_plugins.methods.published.linear_schedule import (
    Prescription,
    held,
    recorded,
    states,
)
from fastflow_plugins.methods.skipping import Skipping
from fastflow_plugins.methods.trained.bespoke import Bespoke, FreeWeights, starts
from fastflow_plugins.methods.trained.neural_solver import (
    FreeTimes,
    Lion,
    NeuralSolver,
    times_at,
    trajectory_loss,
)
from fastflow_plugins.methods.trained.solver_training import (
    log_error,
    pairs_of,
    solve,
    steps_at,
)
from fastflow_plugins.models.flux import Flux, FluxFlow
from fastflow_plugins.policies.static import Listed

SHORT = {"pairs": 8, "validation": 3, "iterations": 60, "batch": 4}


def generated(method, bench, learned):
    return list(method.generate(bench, [recorded(bench)[0].problem.request], learned))


def test_a_solver_begins_as_linear_extrapolation_with_landing_correction_or_as_fitted():
    bench = mixture_bench()
    run, (polynomial, fitted) = recorded(bench)[0], starts(bench, 7)
    assert polynomial.nodes == fitted.nodes
    listed = Listed(steps=tuple(polynomial.nodes))
    skipping = Skipping(policy=listed, turns="policy.steps")
    (sample,) = skipping.generate(bench, [run.problem.request], skipping.learn(bench, []))
    found = solve(bench.model, [run.problem], polynomial.times(), polynomial.weights())
    torch.testing.assert_close(found[-1], sample.x)


def test_its_plan_in_the_loop_is_its_own_run():
    bench = mixture_bench()
    run, (solver, _) = recorded(bench)[0], starts(bench, 7)
    solver.changes.data.normal_(std=0.01)
    policy = Prescription(plan=solver.plan(), grid=run.problem.grid)
    sampler = Sampler(bench.model, policy, Reuse(), NoCorrection())
    (sample,) = sampler.generate([run.problem.request])
    found = solve(bench.model, [run.problem], solver.times(), solver.weights())
    torch.testing.assert_close(sample.x, found[-1])


def test_free_weights_can_be_any_lower_triangle():
    bench = mixture_bench()
    solver = starts(bench, 4)[0]
    wanted = torch.randn(4, 4, dtype=torch.float64).tril()
    solver.changes.data = (wanted - solver.start) @ torch.linalg.inv(solver.basis)
    torch.testing.assert_close(solver.weights(), wanted)


def test_free_weights_use_no_velocity_beyond_a_jump():
    grid = Grid(torch.linspace(1, 0, 11), jumps=frozenset({4}))
    plan = held((0, 2, 3, 4, 7, 9), grid).plan(grid)
    assert [len(row) for row in plan.weights] == [1, 2, 3, 1, 2, 3]
    solver = FreeWeights(plan, grid, np.eye(10))
    solver.changes.data.normal_()
    weights = solver.weights().detach()
    for row in weights[3:]:  # the state at the jump is where the second piece starts
        torch.testing.assert_close(row[:3], weights[2, :3])
    assert (weights[:3, 3:] == 0).all()
    assert [len(row) for row in solver.plan().weights] == [1, 2, 3, 1, 2, 3]


def test_a_multistep_solver_moves_as_published():
    bench, count = mixture_bench(), 7
    problem = recorded(bench)[0].problem
    solver = FreeTimes(count, problem.grid)
    solver.coefficients.data.normal_(std=0.3)
    solver.lengths.data.normal_(std=0.3)
    found = solve(bench.model, [problem], solver.times(), solver.weights())
    lengths = -torch.softmax(solver.lengths, 0).detach()
    x, sigma, velocities = problem.x, 1.0, []
    for i in range(count):
        t = torch.tensor([sigma], dtype=torch.float64)
        velocities.append(bench.model.velocity(x, t, [None]))
        c = solver.coefficients.detach()[i, :i]
        mixed = sum(c[j] * velocities[j] for j in range(i)) + (1 - c.sum()) * velocities[i]
        x, sigma = x + lengths[i] * mixed, sigma + float(lengths[i])
        torch.testing.assert_close(found[i], x)
    assert sigma == pytest.approx(0)


def test_with_few_steps_the_last_two_take_one_earlier_velocity():
    allowed = FreeTimes(5, mixture_bench().model.grid(24)).allowed
    assert allowed.tolist() == [
        [0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0],
    ]
    assert FreeTimes(7, mixture_bench().model.grid(24)).allowed.sum() == 21


def test_times_between_steps_are_linear_in_sigma_and_exact_on_the_grid():
    sigmas = torch.tensor([1, 0.7, 0.4, 0.1, 0.0])
    grid = Grid(sigmas, times=torch.tensor([1000.0, 700.0, 350.0, 90.0]))
    asked = torch.tensor([1, 0.85, 0.4, 0.25, 0.05], dtype=torch.float64)
    expected = torch.tensor([1000, 850, 350, 220, 90 - 260 / 6])
    torch.testing.assert_close(times_at(asked, grid), expected)
    assert steps_at(asked, grid.sigma) == [0, 0, 2, 2, 3]


def test_the_loss_is_that_of_the_published_recipe():
    bench = mixture_bench(12)
    runs, grid = recorded(bench), bench.model.grid(12)
    solver = FreeTimes(4, grid)
    full = torch.cat([torch.stack(states(run), dim=1) for run in runs])
    found = solve(bench.model, [r.problem for r in runs], solver.times(), solver.weights())
    total = 0.0
    for x, k in zip(found, [3, 6, 9, 12], strict=True):
        total += (x - full[:, k]).square().mean().item()
    away = (found[-1] - full[:, -1]).abs().detach()
    huber = torch.where(away < 1e-3, away**2 / 2, 1e-3 * (away - 5e-4)).mean()
    value = trajectory_loss(grid)(solver, found, full)
    assert value.item() == pytest.approx(total + 1000 * float(huber))


def test_lion_moves_by_the_rate_along_the_sign_of_the_smoothed_gradient():
    p = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    lion, memory, value = Lion([p], lr=0.1), np.zeros(3), np.array([1.0, -2.0, 3.0])
    for gradient in ([1.0, -0.5, 0.0], [-0.05, 2.0, 1.0], [-3.0, 0.1, -0.1]):
        p.grad = torch.tensor(gradient)
        lion.step()
        value = value - 0.1 * np.sign(0.9 * memory + 0.1 * np.array(gradient))
        memory = 0.99 * memory + 0.01 * np.array(gradient)
        np.testing.assert_allclose(p.detach().numpy(), value, rtol=1e-6)


@pytest.mark.parametrize("kind", [Bespoke, NeuralSolver])
def test_training_brings_held_out_samples_nearer(kind):
    bench = mixture_bench()
    method = kind(computed_steps=8, **SHORT)
    trained, untrained = method.learn(bench, []), replace(method, iterations=1).learn(bench, [])
    assert trained.facts["log_error_after"] < trained.facts["log_error_before"]
    assert error(method, bench, trained) < error(method, bench, untrained)


@pytest.mark.parametrize("kind", [Bespoke, NeuralSolver])
def test_every_call_of_training_is_counted(kind):
    bench = mixture_bench()
    method = kind(computed_steps=6, pairs=8, validation=3, iterations=20, batch=4)
    learned = method.learn(bench, [])
    assert learned.samples == 8
    assert learned.facts["backward_calls"] == 20 * 4 * 6
    checks = 1 + 2  # before the first iteration, and after every tenth
    checks += kind is Bespoke  # of the other start
    assert learned.calls == 8 * 24 + 20 * 4 * 6 + checks * 3 * 6
    (sample,) = generated(method, bench, learned)
    assert sample.calls == len(sample.computed) == 6


def test_a_diffusers_model_is_trained_through_with_its_own_parameters_untouched():
    options = {"max_sequence_length": 24, "true_cfg_scale": 2.5, "negative_prompt": "ugly"}
    recipe = Flux(path="tiny", height=flux.HEIGHT, width=flux.WIDTH, **options)
    model = FluxFlow(flux.pipeline(), recipe)
    asked = [Request(i, "a red cat", i, 10) for i in range(2)]
    bench = Bench(model, 10, Recording.make(model, asked, max_batch=2), max_batch=2)
    before = {name: p.clone() for name, p in model.network.named_parameters()}
    wanted = [p.requires_grad for p in model.network.parameters()]
    method = Bespoke(computed_steps=4, pairs=3, validation=1, iterations=4, batch=2)
    learned = method.learn(bench, [])
    assert learned.facts["log_error_after"] <= learned.facts["log_error_before"]
    assert learned.facts["backward_calls"] == 4 * 2 * 4 * 2
    assert [p.requires_grad for p in model.network.parameters()] == wanted
    for name, p in model.network.named_parameters():
        assert torch.equal(p, before[name])
        assert p.grad is None


def test_more_pairs_are_the_same_requests_from_other_noise():
    bench = mixture_bench()
    pairs, calls = pairs_of(bench, 7)
    assert len(pairs) == 7
    assert calls == 7 * 24
    for a, b in pairwise(sorted(float(pair.problem.x[0, 0]) for pair in pairs)):
        assert a != b
    assert pairs_of(bench, 2)[0] == recorded(bench, 2)


def test_the_log_error_is_the_mean_of_the_samples():
    x, y = torch.tensor([[1.0, 1.0], [3.0, 3.0]]), torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    assert float(log_error(x, y)) == pytest.approx(np.log(9) / 2)


@pytest.mark.parametrize("kind", [Bespoke, NeuralSolver])
def test_a_trained_solver_is_kept_in_a_file_and_not_trained_again(kind, tmp_path):
    bench, file = mixture_bench(), str(tmp_path / "trained" / "solvers.json")
    method = kind(computed_steps=5, file=file, pairs=5, validation=2, iterations=3)
    first = method.learn(bench, [])
    again = replace(method, iterations=1000_000).learn(bench, [])
    assert again == first
    replace(method, computed_steps=6).learn(bench, [])
    text = (tmp_path / "trained" / "solvers.json").read_text()
    (solvers,) = json.loads(text).values()
    assert list(solvers) == ["5", "6"]
    assert len(text.splitlines()) == 6  # a line for each solver, so that differences can be read
    a, b = generated(method, bench, first)[0], generated(method, bench, again)[0]
    assert torch.equal(a.x, b.x)


def test_a_solver_of_another_model_is_refused(tmp_path):
    file = str(tmp_path / "solvers.json")
    method = Bespoke(computed_steps=5, file=file, pairs=5, validation=2, iterations=1)
    method.learn(mixture_bench(), [])
    other = mixture_bench(20)
    ours, theirs = other.model.grid(24).digest, other.model.grid(20).digest
    message = (
        f"`file` is {file!r}, whose solver of 5 steps was trained for the grid {ours!r}, and this "
        f"is {theirs!r}. Name another file, or none."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        method.learn(other, [])


@pytest.mark.parametrize("kind", [Bespoke, NeuralSolver])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "`batch` must be 1 or more, got 0."),
        ({"validation": 64}, "`validation` must be from 1 to 63, got 64."),
        ({"rate": 0.0}, "`rate` must be above 0, got 0.0."),
    ],
)
def test_values_out_of_range_are_refused(kind, changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        kind(**changes)
