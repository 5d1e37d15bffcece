"""BNS: a linear solver whose weights are all trained, on steps of the model's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastflow.evaluation import Bench, Learned
from fastflow.integration import Grid, Scheme
from fastflow.planning import LinearPlan, Planner
from fastflow.sampling import Request
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.methods.published import gram_of_tuning, grid_of
from fastflow_plugins.methods.trained.solver_training import (
    TrainableSolver,
    Training,
    calls_of_run,
    log_error,
    pairs_of,
    train_solver,
    validate,
)
from fastflow_plugins.methods.trained.trained_solver import TrainedSolver

PARALLEL = (
    1e-6  # of the mean square velocity; velocities of neighbouring steps are nearly parallel
)


@dataclass(frozen=True, kw_only=True)
class Bespoke(TrainedSolver):
    """Trains all weights of a linear solver by backpropagation through its own runs.

    With v_l the velocity at the l-th computed step, the state at the next one is

        x_{i+1} = x_0 + sum_{l <= i} b_il v_l,

    in which every b_il is free: N (N + 1) / 2 numbers for N computed steps. They minimise the
    mean log of the mean square error of the final latents, so the mean PSNR, on pairs of noise
    and full run. It is an upper anchor for linear schemes and no peer: it is trained with the
    model's gradient. Reference: BNS (https://arxiv.org/abs/2403.01329), which also trains a
    factor of x_0, here 1, and the times, here the steps of the optimal schedule of the tuning
    runs. The start is the better one, on the validation pairs, of that schedule's plans: linear
    extrapolation with landing correction, and weights fitted to the tuning runs.

    The optimiser sees the weights of orthonormal combinations of the velocities (by the Cholesky
    factor of the recorded Gram matrix), because it hardly moves the weights of velocities that
    are nearly parallel.

    Args:
        computed_steps: how many steps are computed.
        file: a JSON file of trained solvers. One that is found there is not trained again, and
            one that is trained is added; none is read or written if empty.
        pairs: how many pairs there are: the tuning runs first, then runs of the same prompts from
            other noise.
        validation: how many of the pairs choose the best iteration.
        iterations: the number of steps of Adam.
        batch: how many pairs each step takes.
        rate: Adam's first rate, in units of the root mean square velocity.
        seed: seeds the order of the pairs.
    """

    rate: float = 1e-4

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        content = self.trained("bespoke", bench)
        plan = LinearPlan.from_dict(content["plan"])
        return Learned(plan, content["samples"], content["calls"], content["facts"])

    def _train(self, bench: Bench) -> dict[str, Any]:
        model, (pairs, calls) = bench.model, pairs_of(bench, self.pairs)
        solvers = starts(bench, self.computed_steps)
        kept_apart = pairs[-self.validation :]
        errors = [validate(solver, model, kept_apart, self.batch) for solver in solvers]
        solver = solvers[int(np.argmin(errors))]
        calls += calls_of_run(solver, model, [p.problem for p in kept_apart])
        adam = torch.optim.Adam(solver.parameters(), lr=self.rate)
        how = Training(self.iterations, self.batch, self.validation, 10, self.seed)
        trained = train_solver(solver, model, pairs, adam, final_loss, how)
        return {
            "plan": solver.plan().to_dict(),
            "samples": len(pairs),
            "calls": calls + trained.calls,
            "facts": trained.facts(),
        }


def final_loss(_: TrainableSolver, found: list[Tensor], full: Tensor) -> Tensor:
    """Returns the `log_error` of the final states."""
    return log_error(found[-1], full[:, -1].to(found[-1].dtype))


def starts(bench: Bench, computed_steps: int) -> list[FreeWeights]:
    """Returns solvers to begin with: the polynomial and the fitted plan of one schedule."""
    gram, grid = gram_of_tuning(bench), grid_of(bench)
    planner = Planner(gram, grid, Scheme(Linear(), Interpolate()))
    nodes = planner.nodes(computed_steps, power=2.0)
    plans = planner.polynomial(nodes), planner.fitted(nodes)
    return [FreeWeights(plan, grid, gram) for plan in plans]


class FreeWeights(TrainableSolver):
    """Holds free weights, as changes to those of a plan.

    Args:
        plan: the computed steps, and the weights to begin with.
        grid: the time grid, with all jumps.
        gram: ``(T, T)`` mean products of recorded velocities.
    """

    def __init__(self, plan: LinearPlan, grid: Grid, gram: np.ndarray):
        super().__init__()
        self.nodes, self.grid, count = list(plan.nodes), grid, len(plan.nodes)
        self.lengths = [len(row) for row in plan.weights]
        start, together = np.zeros((2, count, count))
        for i, row in enumerate(plan.weights):
            start[i, i + 1 - len(row) : i + 1] = row
            together[i, i + 1 - len(row) : i + 1] = 1  # no velocity is used beyond a jump
        mean = np.nan_to_num(gram)[np.ix_(plan.nodes, plan.nodes)]
        both = np.maximum(together, together.T)
        factor = np.linalg.cholesky(mean * both + PARALLEL * np.eye(count))
        basis, ends = np.linalg.inv(factor), _ends(self.lengths)
        arrays = start, together, basis, ends
        self.start, self.together, self.basis, self.ends = (
            torch.as_tensor(array, device=grid.sigmas.device) for array in arrays
        )
        self.changes = nn.Parameter(torch.zeros_like(self.start))

    def sigmas(self) -> Tensor:
        return self.grid.sigmas[self.nodes]

    def times(self) -> Tensor:
        return self.grid.model_times[self.nodes]

    def own(self) -> Tensor:
        """Returns ``(N, N)`` weights within each piece: the state less that at its start."""
        return self.start + (self.changes * self.together) @ self.basis

    def weights(self) -> Tensor:
        own = self.own()
        return own + self.ends @ own

    def plan(self) -> LinearPlan:
        """Returns the plan with the weights as they are."""
        rows = enumerate(self.own().tolist())
        kept = tuple(tuple(row[i + 1 - self.lengths[i] : i + 1]) for i, row in rows)
        return LinearPlan(tuple(self.nodes), kept)


def _ends(lengths: Sequence[int]) -> np.ndarray:
    """Returns ``(N, N)`` 1 where column j is the last node of a piece before that of row i."""
    starts_at = np.arange(len(lengths)) + 1 - np.array(lengths)
    last = np.append(starts_at[1:] != starts_at[:-1], False)
    return ((starts_at[:, None] > starts_at) & last).astype(float)
