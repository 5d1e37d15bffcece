"""What schedules are tested on: a mixture of few steps, recorded, and its reference runs."""

import functools
import re

from fastflow import Request
from fastflow.evaluation.method import Bench
from fastflow.sampling.recording import Recording
from fastflow.sampling.reference import reference_sampler
from fastflow_plugins.models.mixture import Mixture


@functools.cache
def mixture_bench(steps=24, tuning=3):
    """Returns a bench of an exact model in float64; nothing done with it leaves a trace."""
    model = Mixture().load(dtype="float64")
    recorded = Recording.make(model, [Request(i, "", 50 + i, steps) for i in range(tuning)], 8)
    return Bench(model, steps, recorded, max_batch=8)


@functools.cache
def measured(steps=24):
    """Returns requests that are not for tuning, and their reference runs."""
    asked = [Request(i, "", i, steps) for i in range(4)]
    full = reference_sampler(mixture_bench(steps).model).generate(asked)
    return asked, sorted(full, key=lambda sample: sample.request.index)


def error(method, bench, learned):
    """Returns the root mean square distance of a method's samples from the reference runs."""
    asked, full = measured(bench.steps)
    samples = sorted(method.generate(bench, asked, learned), key=lambda s: s.request.index)
    squares = [(s.x - f.x).square().mean() for s, f in zip(samples, full, strict=True)]
    return float(sum(squares) / len(squares)) ** 0.5


def exactly(message):
    """Returns a pattern that matches this message and no other."""
    return f"^{re.escape(message)}$"


def stepwise(bench, trajectory, nodes, predict):
    """Returns the final state of a run, step by step, in the plainest way.

    Args:
        bench: the bench.
        trajectory: the full run whose problem is solved.
        nodes: the computed steps.
        predict: returns the velocity of a skipped step from the step's number, the velocities of
            all earlier steps and the positions at them.
    """
    problem, velocities, positions = trajectory.problem, [], [trajectory.problem.x]
    for k in range(problem.grid.steps):
        x = positions[-1]
        if k in nodes:
            v = bench.model.velocity(x, problem.grid.model_times[k : k + 1], [None])
        else:
            v = predict(k, velocities, positions)
        velocities.append(v)
        positions.append(x + (problem.grid.sigma[k + 1] - problem.grid.sigma[k]) * v)
    return positions[-1]
