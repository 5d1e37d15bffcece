"""Training of solvers by backpropagation through their own runs."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import trange

from fastflow.evaluation import Bench
from fastflow.sampling import FlowModel, Problem, RecordedTrajectory, Recording
from fastflow_plugins.methods.published import states

BatchLoss = Callable[["TrainableSolver", list[Tensor], Tensor], Tensor]  # (solver, states, full)
SEEDS = 1_000_003  # between the seeds of a request's further pairs; none is measured


class TrainableSolver(nn.Module, ABC):
    """Represents a linear solver of N computed steps with parameters to train."""

    @abstractmethod
    def sigmas(self) -> Tensor:
        """Returns ``(N,)`` where the velocities are computed, the first one at the noise end."""

    @abstractmethod
    def times(self) -> Tensor:
        """Returns ``(N,)`` the model times of these sigmas."""

    @abstractmethod
    def weights(self) -> Tensor:
        """Returns ``(N, N)``: row i has the weights of v_0 .. v_i in state i + 1, less x_0."""


@dataclass(frozen=True)
class Training:
    """Describes how a solver is trained.

    Args:
        iterations: the number of steps of the optimiser.
        batch: how many pairs each step takes.
        validation: how many pairs are kept apart, on which the best iteration is chosen.
        every: after how many iterations the validation pairs are run.
        seed: seeds the choice of pairs.
    """

    iterations: int
    batch: int
    validation: int
    every: int
    seed: int


@dataclass(frozen=True)
class Trained:
    """Holds what a training reports.

    Args:
        calls: the network calls of all runs forward, those of validation included.
        backward: the network calls of those that were also run backward.
        before: the mean log of the mean square error of the validation pairs at the start.
        after: the same for the iteration that was chosen.
    """

    calls: int
    backward: int
    before: float
    after: float

    def facts(self) -> dict[str, float]:
        """Returns the numbers for the table of results."""
        return {
            "backward_calls": self.backward,
            "log_error_before": self.before,
            "log_error_after": self.after,
        }


def solve(
    model: FlowModel, problems: Sequence[Problem], times: Tensor, weights: Tensor
) -> list[Tensor]:
    """Runs a linear solver on a batch in lock-step; differentiable in times and weights.

    Args:
        model: the loaded model.
        problems: the problems, whose latents have one shape.
        times: ``(N,)`` model times.
        weights: ``(N, N)`` the weights, as in `TrainableSolver.weights`.

    Returns:
        The N states ``(B, ...)`` after each computed step, in float32 or float64.
    """
    conditioning = [problem.conditioning for problem in problems]
    start = torch.cat([problem.x for problem in problems])
    wide = torch.promote_types(start.dtype, torch.float32)
    x, found, velocities = start, [], []
    for i, t in enumerate(times):
        v = model.velocity(x.to(start.dtype), t.expand(len(problems)), conditioning)
        velocities.append(v.to(wide))
        moved = zip(weights[i, : i + 1].to(wide), velocities, strict=True)
        x = start.to(wide) + sum((w * v for w, v in moved), torch.zeros((), dtype=wide))
        found.append(x)
    return found


def log_error(x: Tensor, end: Tensor) -> Tensor:
    """Returns the mean over rows of the log of each row's mean square error; it is -PSNR."""
    squares = (x - end).flatten(1).square().mean(dim=1)
    return (squares + torch.finfo(squares.dtype).tiny).log().mean()


def pairs_of(bench: Bench, count: int) -> tuple[list[RecordedTrajectory], int]:
    """Returns recorded full runs, and the network calls that recording them took.

    The first ones are the tuning runs. The others, if more are asked for, are runs of the same
    requests from other noise. All have latents of the first one's shape.
    """
    known = [bench.tuning.trajectories[request.index] for request in bench.tuning.requests]
    calls, requests = bench.tuning.calls, bench.tuning.requests
    rounds = range(1, math.ceil(count / len(requests)))
    more = [
        replace(r, seed=r.seed + SEEDS * n, index=len(known) * n + i)
        for n in rounds
        for i, r in enumerate(requests)
    ][: max(count - len(known), 0)]
    if more:
        made = Recording.make(bench.model, more, bench.max_batch, keep_signals=False)
        known += [made.trajectories[request.index] for request in more]
        calls += made.calls
    shape = known[0].problem.x.shape
    return [one for one in known[:count] if one.problem.x.shape == shape], calls


def train_solver(
    solver: TrainableSolver,
    model: FlowModel,
    pairs: Sequence[RecordedTrajectory],
    optimiser: torch.optim.Optimizer,
    loss_of: BatchLoss,
    how: Training,
) -> Trained:
    """Trains a solver in place, and leaves it as it was at its best validated iteration.

    Args:
        solver: the solver.
        model: the loaded model, whose own parameters stay as they are.
        pairs: recorded full runs; the last ones are for validation.
        optimiser: holds the solver's parameters. Its rate falls to 0 along half a cosine.
        loss_of: returns the loss of a batch from the solver, its states and ``(B, T + 1, ...)``
            the states of the full runs.
        how: describes the training.

    Raises:
        ValueError: if no pair is left to train on.
    """
    if len(pairs) <= how.validation:
        raise ValueError(f"`validation` must leave a pair to train on: there are {len(pairs)}.")
    cut, random = len(pairs) - how.validation, np.random.default_rng(how.seed)
    full = [torch.stack(states(pair), dim=1) for pair in pairs]
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(how.iterations, 1))
    before = best = validate(solver, model, pairs[cut:], how.batch)
    kept, backward, checks = copy.deepcopy(solver.state_dict()), 0, 1
    with untrained(model), trange(how.iterations, desc="training", leave=False) as bar:
        for iteration in bar:
            chosen = random.choice(cut, min(how.batch, cut), replace=False)
            problems = [pairs[i].problem for i in chosen]
            found = solve(model, problems, solver.times(), solver.weights())
            loss = loss_of(solver, found, torch.cat([full[i] for i in chosen]))
            optimiser.zero_grad()
            loss.backward(inputs=list(solver.parameters()))
            optimiser.step()
            fall.step()
            backward += calls_of_run(solver, model, problems)
            if (iteration + 1) % how.every == 0 or iteration + 1 == how.iterations:
                value, checks = validate(solver, model, pairs[cut:], how.batch), checks + 1
                bar.set_postfix(loss=f"{loss.item():.3g}", validation=f"{value:.3f}")
                if value < best:
                    best, kept = value, copy.deepcopy(solver.state_dict())
    solver.load_state_dict(kept)
    validated = calls_of_run(solver, model, [pair.problem for pair in pairs[cut:]])
    return Trained(backward + checks * validated, backward, before, best)


@torch.no_grad()
def validate(
    solver: TrainableSolver, model: FlowModel, pairs: Sequence[RecordedTrajectory], batch: int
) -> float:
    """Returns the mean `log_error` of pairs; 0 if there are none."""
    total = 0.0
    for start in range(0, len(pairs), batch):
        part = pairs[start : start + batch]
        found = solve(model, [p.problem for p in part], solver.times(), solver.weights())
        end = torch.cat([states(pair)[-1] for pair in part])
        total += len(part) * log_error(found[-1], end).item()
    return total / max(len(pairs), 1)


def calls_of_run(solver: TrainableSolver, model: FlowModel, problems: Sequence[Problem]) -> int:
    """Returns the network calls of one run; a time between two steps counts as the earlier."""
    return sum(model.calls_of(p, steps_at(solver.sigmas(), p.grid.sigma)) for p in problems)


def steps_at(sigmas: Tensor, grid: Sequence[float]) -> list[int]:
    """Returns the step of the grid in which each sigma lies."""
    asked = sigmas.detach().double().cpu().numpy() - 1e-6  # on a step, up to rounding, is in it
    found = len(grid) - 1 - np.searchsorted(np.array(grid[::-1]), asked)
    return np.clip(found, 0, len(grid) - 2).tolist()


@contextmanager
def untrained(model: FlowModel) -> Iterator[None]:
    """Keeps the model's own parameters out of backpropagation, inside the context."""
    parameters = list(model.network.parameters()) if model.network is not None else []
    wanted = [parameter.requires_grad for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, want in zip(parameters, wanted, strict=True):
            parameter.requires_grad_(want)
