"""Fewer steps of a solver: Euler's are the model's own, the others converge at their order."""

import functools
import math

import pytest
import torch
from stand import assert_same, in_full_alone, ordered, requests, stand

from fastflow import Request
from fastflow.evaluation.method import Bench, Learned
from fastflow.sampling.recording import Recording
from fastflow_plugins.methods.solver import SOLVERS, Solver
from fastflow_plugins.models.mixture import Mixture

SIZES = (40, 80, 160)
GUIDANCE = pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5], ids=["plain", "true_cfg"])
STARTS = [Request(i, "", i, 40) for i in range(4)]


@functools.cache
def smooth():
    """Returns a mixture whose velocity is smooth on all of these grids, with a bench."""
    model = Mixture(spread=0.5).load(dtype="float64")
    return Bench(model, 40, Recording.make(model, STARTS[:1], 1), max_batch=3)


def solve(solver, calls):
    samples = Solver(solver=solver, computed_steps=calls).generate(smooth(), STARTS, Learned())
    return torch.cat([sample.x for sample in ordered(samples)])


@functools.cache
def exact():
    """Returns where the trajectories end, to a few hundredths of the smallest error."""
    return solve("ab2", 1000)


@pytest.mark.parametrize(
    ("solver", "order"), [("euler", 1), ("ab2", 2), ("unipc", 2), ("dpmpp", 2)]
)
def test_the_error_falls_at_the_order_of_the_solver(solver, order):
    errors = [float((solve(solver, calls) - exact()).norm()) for calls in SIZES]
    slope = math.log(errors[0] / errors[-1]) / math.log(SIZES[-1] / SIZES[0])
    assert slope == pytest.approx(order, abs=0.3)
    assert errors == sorted(errors, reverse=True)


@GUIDANCE
def test_euler_is_the_models_own_run_of_as_many_steps(true_cfg_scale):
    model, bench, asked, _ = stand(true_cfg_scale)
    samples = Solver(solver="euler", computed_steps=5).generate(bench, asked, Learned())
    assert_same(ordered(samples), in_full_alone(model, requests(2, steps=5)))


@GUIDANCE
@pytest.mark.parametrize("solver", ["euler", *SOLVERS])
def test_every_step_is_one_velocity(solver, true_cfg_scale):
    model, bench, asked, _ = stand(true_cfg_scale)
    made = []
    with model.network.register_forward_pre_hook(lambda *_: made.append(1)):
        samples = list(Solver(solver=solver, computed_steps=5).generate(bench, asked, Learned()))
    assert [s.calls for s in samples] == [5 * model.calls_per_velocity] * 2
    assert len(made) == 10 * model.calls_per_velocity
    assert all(s.computed == tuple(range(5)) for s in samples)
    assert all(s.output.size == (24, 16) and s.x.isfinite().all() for s in samples)


@pytest.mark.parametrize("solver", ["euler", *SOLVERS])
def test_a_batch_gives_what_its_samples_give_alone(solver):
    together = solve(solver, 10)
    one = Bench(smooth().model, 40, smooth().tuning, max_batch=1)
    alone = ordered(Solver(solver=solver, computed_steps=10).generate(one, STARTS, Learned()))
    torch.testing.assert_close(together, torch.cat([sample.x for sample in alone]))


@pytest.mark.parametrize("solver", ["euler", *SOLVERS])
def test_one_call_is_enough_to_end_at_a_finite_place(solver):
    assert solve(solver, 1).isfinite().all()


def test_its_knob_is_the_number_of_calls():
    knob = Solver().knob
    assert (knob.name, knob.is_computed_steps) == ("computed_steps", True)
    assert Solver(solver="ab2").at(7.0) == Solver(solver="ab2", computed_steps=7)
