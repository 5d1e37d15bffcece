"""Rules for loaded models: ``check(model.load(), steps=4, prompts=["a red circle"])``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fastflow.sampling.model import FlowModel, ModelWrapper
from fastflow.sampling.reference import reference_sampler
from fastflow.sampling.request import Problem, Request
from fastflow.sampling.sampler import Sampler
from fastflow.testing.rule import demand, rule

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4, torch.float16: 5e-3}


@rule
def has_a_key_and_a_number_of_calls(model: FlowModel) -> None:
    """The key identifies the model in memories; the calls per velocity are one or more."""
    demand(isinstance(model.key, str) and model.key, f"`key` is {model.key!r}")
    calls = model.calls_per_velocity
    demand(isinstance(calls, int) and calls >= 1, f"`calls_per_velocity` is {calls!r}")


@rule
def prepares_the_grid_it_promises(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """`prepare` uses `grid(steps)`, which has that many steps and ends at sigma = 0."""
    problem = _problem(model, steps, prompts)
    grid = problem.grid
    demand(grid.steps == steps, f"for {steps} steps it prepared {grid.steps}")
    demand(grid.digest == model.grid(steps).digest, "`grid` and `prepare` give different grids")
    demand(grid.sigma[-1] == 0, f"the grid ends at sigma = {grid.sigma[-1]}")
    demand(len(grid.model_times) == steps, f"{len(grid.model_times)} times for {steps} steps")


@rule
def states_the_calls_of_each_step(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """If the number of calls varies from step to step, there is one number per step."""
    calls = _problem(model, steps, prompts).calls
    if calls:
        demand(len(calls) == steps, f"{len(calls)} numbers of calls for {steps} steps")
        good = all(1 <= n <= model.calls_per_velocity for n in calls)
        demand(good, f"calls of {calls}, not from 1 to {model.calls_per_velocity}")


@rule
def prepares_noise_by_the_seed(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """The same seed gives the same noise, another seed other noise, of one row."""
    a, b, c = (_problem(model, steps, prompts, seed).x for seed in (5, 5, 6))
    demand(len(a) == 1, f"the latents have {len(a)} rows")
    demand(torch.equal(a, b), "the same seed gave other noise")
    demand(not torch.equal(a, c), "another seed gave the same noise")


@rule
def gives_finite_velocities_shaped_like_x(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """At every time of the grid."""
    problem = _problem(model, steps, prompts)
    for k in range(steps):
        v = _velocity(model, problem, k)
        demand(v.shape == problem.x.shape, f"x is {problem.x.shape}, the velocity {v.shape}")
        demand(torch.isfinite(v).all(), f"the velocity at step {k} is not finite")


@rule
def gives_the_same_velocity_whenever_asked(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """Bit for bit, even after calls for another sample."""
    mine, other = _problem(model, steps, prompts), _problem(model, steps, prompts, 6)
    first = _velocity(model, mine, 1)
    _velocity(model, other, 2)
    demand(torch.equal(first, _velocity(model, mine, 1)), "called again it differs")


@rule
def velocity_leaves_its_inputs_unchanged(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """The loop uses x and t after the call."""
    problem = _problem(model, steps, prompts)
    x, t = problem.x.clone(), problem.grid.model_times[1:2].clone()
    with torch.no_grad():
        model.velocity(x, t, [problem.conditioning])
    demand(torch.equal(x, problem.x), "`velocity` changed x")
    demand(torch.equal(t, problem.grid.model_times[1:2]), "`velocity` changed t")


@rule
def a_batch_equals_its_samples_alone(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """Up to rounding, with rows at different times."""
    problems = [_problem(model, steps, prompts, seed) for seed in (5, 6, 7)]
    ks = [2, 0, 1]
    alone = [_velocity(model, p, k) for p, k in zip(problems, ks)]
    x = torch.cat([p.x for p in problems])
    t = torch.cat([p.grid.model_times[k : k + 1] for p, k in zip(problems, ks)])
    with torch.no_grad():
        batch = model.velocity(x, t, [p.conditioning for p in problems])
    for i, (a, b) in enumerate(zip(alone, batch.split(1), strict=True)):
        off = _distance(a, b)
        demand(off <= _tolerance(a), f"row {i} is {off:.1e} (relative) from the sample alone")


@rule
def advances_by_an_euler_step(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """`advance` returns ``x + dsigma v`` up to rounding, and leaves x and v unchanged."""
    problem = _problem(model, steps, prompts)
    x, v, dsigma = problem.x, _velocity(model, problem, 1), problem.grid.dsigmas[1]
    before = x.clone(), v.clone()
    off = _distance(x.double() + dsigma.double() * v.double(), model.advance(x, v, dsigma))
    demand(off <= _tolerance(v), f"`advance` is {off:.1e} (relative) from an Euler step")
    unchanged = torch.equal(before[0], x) and torch.equal(before[1], v)
    demand(unchanged, "`advance` changed its inputs")


@rule
def never_skipping_is_plain_euler(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """Bit for bit, and every call is counted."""
    problem = _problem(model, steps, prompts)
    x, grid = problem.x, problem.grid
    with torch.no_grad():
        for k in range(steps):
            v = model.velocity(x, grid.model_times[k : k + 1], [problem.conditioning])
            x = model.advance(x, v, grid.dsigmas[k])
    (sample,) = _sampler(model).run([problem.request])
    if sample.failure or sample.x is None:
        raise AssertionError(f"the sample failed: {sample.failure}")
    off = _distance(x, sample.x)
    demand(torch.equal(sample.x, x), f"it ends {off:.1e} (relative) away")
    calls = model.calls_of(problem, range(steps))
    demand(sample.calls == calls, f"{sample.calls} calls were counted, not {calls}")


@rule
def decodes_its_latents(model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()) -> None:
    """`decode` returns an output and leaves the latents unchanged."""
    problem = _problem(model, steps, prompts)
    x = problem.x.clone()
    demand(model.decode(x, problem) is not None, "`decode` returned None")
    demand(torch.equal(x, problem.x), "`decode` changed the latents")


@rule
def a_sample_that_fails_fails_alone(
    model: FlowModel, *, steps: int = 4, prompts: Sequence[str] = ()
) -> None:
    """A sample whose velocity is NaN is marked as failed, and the others are generated."""
    given = prompts or model.example_prompts
    requests = [_request(i, steps, given, i) for i in range(3)]
    samples = {s.request.index: s for s in _sampler(Poisoned(model)).run(requests)}
    demand(samples[0].failure and samples[0].output is None, "a sample of NaN has not failed")
    for i in (1, 2):
        demand(not samples[i].failure, f"sample {i} failed with it: {samples[i].failure}")
        demand(samples[i].output is not None, f"sample {i} has no output")


class Poisoned(ModelWrapper):
    """Makes the last velocity of sample 0 NaN."""

    def prepare(self, request: Request) -> Problem:
        problem = self.model.prepare(request)
        last = problem.grid.model_times[-1] if request.index == 0 else None
        return replace(problem, conditioning=(last, problem.conditioning))

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        v = self.model.velocity(x, t, [inner for _, inner in conditioning]).clone()
        for i, (last, _) in enumerate(conditioning):
            if last is not None and t[i] == last:
                v[i] = torch.nan
        return v

    def decode(self, x: Tensor, problem: Problem) -> Any:
        return self.model.decode(x, replace(problem, conditioning=problem.conditioning[1]))


def _sampler(model: FlowModel) -> Sampler:
    return reference_sampler(model, max_batch=2)


def _request(index: int, steps: int, prompts: Sequence[str], seed: int) -> Request:
    return Request(index=index, prompt=prompts[seed % len(prompts)], seed=seed, steps=steps)


def _problem(model: FlowModel, steps: int, prompts: Sequence[str], seed: int = 5) -> Problem:
    request = _request(0, steps, prompts or model.example_prompts, seed)
    try:
        with torch.no_grad():
            return model.prepare(request)
    except ValueError as error:
        raise ValueError(
            f"{error} It was asked for the prompt {request.prompt!r}. If it takes only some, let "
            "its `example_prompts` name a few, or give them: check(model, prompts=[...])."
        ) from error


def _velocity(model: FlowModel, problem: Problem, k: int) -> Tensor:
    t = problem.grid.model_times[k : k + 1].clone()
    with torch.no_grad():
        return model.velocity(problem.x.clone(), t, [problem.conditioning])


def _distance(a: Tensor, b: Tensor) -> float:
    """Returns the relative L2 distance of b from a."""
    return float((a.double() - b.double()).norm() / a.double().norm().clamp_min(1e-30))


def _tolerance(v: Tensor) -> float:
    return TOLERANCES.get(v.dtype, 5e-2)
