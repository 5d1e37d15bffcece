"""The cost of fitted weights and of planning: per network call, and per plan.

Run with ``python benchmarks/schemes.py``. The loop is timed without a network, on latents of a
given number of elements, under the linear scheme and under fitted weights, paired in one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from fastflow import Grid
from fastflow.integration import Episode, Scheme, StepContext, flow
from fastflow.planning import Fit, FittedCoefficients, PlannedCoefficients, Planner
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.policies import Halving

STEPS, CALL = 50, 0.05  # steps of the grid; seconds of the call that the cost is related to
LINEAR = Scheme(Linear(), Interpolate())


class Following(Episode):
    """Computes given steps."""

    def __init__(self, nodes: tuple[int, ...]):
        super().__init__()
        self.nodes = frozenset(nodes)

    def wants_model(self, context: StepContext) -> bool:
        return context.index in self.nodes


def grid() -> Grid:
    """Returns a grid of 50 steps that is finer at the noise end."""
    t = torch.linspace(1, 0, STEPS + 1)
    return Grid(3 * t / (1 + 2 * t))


def gram(seed: int = 0) -> np.ndarray:
    """Returns the mean products ``(T, T)`` of smooth made-up velocities, in their own unit."""
    random, t = np.random.default_rng(seed), np.asarray(grid().sigma[:-1])
    v = [np.sin((1 + 4 * random.random()) * t + 6 * random.random()) for _ in range(400)]
    total = np.array(v).T @ np.array(v)
    return total / np.diag(total).mean()


@torch.no_grad()
def seconds(scheme: Scheme, nodes: tuple[int, ...], velocities: list[torch.Tensor]) -> float:
    """Returns the time of the loop over one trajectory whose velocities are there already."""
    loop = flow(velocities[0], grid(), scheme, Following(nodes))
    start, step = time.perf_counter(), next(loop)
    while True:
        v = velocities[step.k] if step.wants_model() else None
        try:
            step = loop.send((step.x, v, lambda x, v, dsigma: x + dsigma * v))
        except StopIteration:
            return time.perf_counter() - start


def overhead(computed_steps: int, elements: int, pairs: int) -> dict[str, float]:
    """Returns the median extra time per network call over the linear scheme, in calls of 50 ms."""
    planner = Planner(gram(), grid(), LINEAR)
    nodes = planner.nodes(computed_steps, 1.5)
    schemes = {
        "plan": LINEAR._replace(coefficients=PlannedCoefficients(planner.fitted(nodes), grid())),
        "fitted": LINEAR._replace(coefficients=FittedCoefficients(Fit(gram(), grid()))),
    }
    velocities = [torch.randn(1, elements) for _ in range(STEPS)]
    found = {}
    for name, scheme in schemes.items():
        seconds(scheme, nodes, velocities)  # weights are solved for once
        extra = [
            seconds(scheme, nodes, velocities) - seconds(LINEAR, nodes, velocities)
            for _ in range(pairs)
        ]
        found[name] = statistics.median(extra) / computed_steps / CALL
    return found


def planning(computed_steps: int) -> dict[str, float]:
    """Returns the seconds that one plan, and all candidates of halving, take on one core."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    planner = Planner(gram(1), grid(), LINEAR)
    planner.fitted(planner.nodes(computed_steps, 1.5, early=3.0))
    one = time.perf_counter() - start
    start = time.perf_counter()
    Halving(computed_steps=computed_steps).planner(gram(2), grid()).candidates(computed_steps)
    return {"plan": one, "candidates": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for elements in (4_096, 262_144):
        for computed_steps in (10, 19, 25):
            for name, share in overhead(computed_steps, elements, options.pairs).items():
                key = (
                    f"{name}, {computed_steps} computed steps, {elements} elements, share of 50 ms"
                )
                figures[key] = share
    for computed_steps in (7, 10, 19, 25):
        for name, value in planning(computed_steps).items():
            figures[f"{name} of {computed_steps} computed steps, seconds"] = value
    for name, value in figures.items():
        print(f"{name:<72} {value:.4f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
