"""NeuralSolver: the coefficients and the times of a multistep solver, searched by gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from fastflow.evaluation import Bench, Learned
from fastflow.integration import Feedback, Grid
from fastflow.sampling import Request, Sample, Seconds
from fastflow_plugins.methods.trained.solver_training import (
    TrainableSolver,
    Training,
    pairs_of,
    solve,
    steps_at,
    train_solver,
)
from fastflow_plugins.methods.trained.trained_solver import TrainedSolver

SMALL = 6  # up to as many steps, the last two take only one earlier velocity
HUBER = 1e-3  # where the final loss turns from square to absolute


@dataclass(frozen=True, kw_only=True)
class NeuralSolver(TrainedSolver):
    """Searches the coefficients and times of a multistep solver by backpropagation.

    Step i, of length d_i, goes along a combination of all velocities so far:

        x_{i+1} = x_i + d_i (sum_{j < i} c_ij v_j + (1 - sum_{j < i} c_ij) v_i).

    The c_ij start at 0 and the lengths, a softmax, start equal: Euler's method. The loss is the
    sum over steps of the mean square difference from the full run's nearest state, and 1000
    times the Huber loss of the final latents; the optimiser is Lion. Velocities are computed
    between steps of the model's grid, so an adapter that only follows a pipeline's own grid
    cannot use it. Reference: NeuralSolver (https://arxiv.org/abs/2505.21114,
    https://github.com/MCG-NJU/NeuralSolver), whose coefficients are for class-conditional
    models; here the same recipe is applied to the model at hand, with fewer iterations and a
    rate that falls.

    Args:
        computed_steps: how many velocities are computed.
        file: a JSON file of trained solvers, as for `Bespoke`.
        pairs: how many pairs of noise and full run there are.
        validation: how many of them choose the best iteration.
        iterations: the number of steps of Lion.
        batch: how many pairs each step takes.
        rate: Lion's first rate.
        seed: seeds the order of the pairs.
    """

    rate: float = 1e-2

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        content = self.trained("neural_solver", bench)
        solver = {name: content[name] for name in ("sigmas", "weights")}
        return Learned(solver, content["samples"], content["calls"], content["facts"])

    def _train(self, bench: Bench) -> dict[str, Any]:
        grid = bench.model.grid(bench.steps)
        pairs, calls = pairs_of(bench, self.pairs)
        solver, how = FreeTimes(self.computed_steps, grid), self._training()
        trained = train_solver(
            solver,
            bench.model,
            pairs,
            Lion(solver.parameters(), self.rate),
            trajectory_loss(grid),
            how,
        )
        return {
            "sigmas": solver.sigmas().tolist(),
            "weights": solver.weights().tolist(),
            "samples": len(pairs),
            "calls": calls + trained.calls,
            "facts": trained.facts(),
        }

    def _training(self) -> Training:
        return Training(self.iterations, self.batch, self.validation, 10, self.seed)

    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        for start in range(0, len(requests), bench.max_batch):
            yield from self._solve(bench, requests[start : start + bench.max_batch], learned.what)

    @torch.no_grad()
    def _solve(
        self, bench: Bench, requests: Sequence[Request], solver: dict[str, Any]
    ) -> Iterator[Sample]:
        """Integrates a batch in lock-step."""
        model, problems = bench.model, [bench.model.prepare(request) for request in requests]
        grid, start = problems[0].grid, perf_counter()
        sigmas = torch.tensor(solver["sigmas"], dtype=torch.float64, device=grid.sigmas.device)
        weights = torch.tensor(solver["weights"], dtype=torch.float64, device=sigmas.device)
        x = solve(model, problems, times_at(sigmas, grid), weights)[-1]
        if x.is_cuda:
            torch.cuda.synchronize(x.device)
        seconds = Seconds(denoise=(perf_counter() - start) / len(requests))
        steps = steps_at(sigmas, grid.sigma)
        for problem, end in zip(problems, x.to(problems[0].x.dtype).split(1), strict=True):
            yield Sample(
                request=problem.request,
                output=model.decode(end, problem),
                x=end,
                computed=tuple(range(self.computed_steps)),
                calls=model.calls_of(problem, steps),
                feedback=Feedback(),
                propensities={},
                seconds=seconds,
                calls_full=model.calls_of(problem, range(grid.steps)),
            )


class FreeTimes(TrainableSolver):
    """Holds the coefficients and the lengths of all steps; it starts as Euler's method.

    Args:
        computed_steps: N, the number of steps.
        grid: the model's time grid, which gives the times of sigmas between its steps.
    """

    def __init__(self, computed_steps: int, grid: Grid):
        super().__init__()
        options = {"dtype": torch.float64, "device": grid.sigmas.device}
        self.grid = grid
        self.coefficients = nn.Parameter(torch.zeros(computed_steps, computed_steps, **options))
        self.lengths = nn.Parameter(torch.full([computed_steps], 1 / computed_steps, **options))
        allowed = torch.ones(computed_steps, computed_steps, **options).tril(-1)
        if computed_steps <= SMALL:
            allowed[-2:] = allowed[-2:].triu(computed_steps - 3)
        self.allowed = allowed

    def dsigmas(self) -> Tensor:
        """Returns ``(N,)`` the (negative) step sizes."""
        sigma = self.grid.sigma
        return (sigma[-1] - sigma[0]) * torch.softmax(self.lengths, dim=0)

    def sigmas(self) -> Tensor:
        dsigmas = self.dsigmas()
        return self.grid.sigma[0] + dsigmas.cumsum(0) - dsigmas

    def times(self) -> Tensor:
        return times_at(self.sigmas(), self.grid)

    def weights(self) -> Tensor:
        earlier = self.coefficients * self.allowed
        combined = earlier + torch.diag(1 - earlier.sum(dim=1))
        return (self.dsigmas()[:, None] * combined).cumsum(0)


def times_at(sigmas: Tensor, grid: Grid) -> Tensor:
    """Returns ``(N,)`` model times, linear in sigma between the steps of the grid."""
    steps = torch.tensor(steps_at(sigmas, grid.sigma), device=sigmas.device)
    steps = steps.clamp(max=max(grid.steps - 2, 0))  # the end of the grid has no time of its own
    after, times = (steps + 1).clamp(max=grid.steps - 1), grid.model_times
    known = grid.sigmas.double()
    apart = torch.where(after > steps, known[after] - known[steps], torch.ones_like(sigmas))
    slope = (times[after].double() - times[steps].double()) / apart
    return (times[steps].double() + (sigmas - known[steps]) * slope).to(times.dtype)


def trajectory_loss(grid: Grid) -> Callable[[TrainableSolver, list[Tensor], Tensor], Tensor]:
    """Returns the published loss of a batch, for full runs on a grid."""

    def loss(solver: TrainableSolver, found: list[Tensor], full: Tensor) -> Tensor:
        known, sigmas = grid.sigmas.double(), solver.sigmas().detach().double()
        nearest = [int((known - sigma).abs().argmin()) for sigma in sigmas[1:]] + [grid.steps]
        whole = full.to(found[-1].dtype)
        steps = [nn.functional.mse_loss(x, whole[:, k]) for x, k in zip(found, nearest)]
        end = nn.functional.huber_loss(found[-1], whole[:, -1], delta=HUBER)
        return torch.stack(steps).sum() + 1000 * end

    return loss


class Lion(torch.optim.Optimizer):
    """Moves every parameter by the rate along the sign of its smoothed gradient.

    Reference: https://arxiv.org/abs/2302.06675.

    Args:
        parameters: the parameters.
        lr: the rate.
        blend: the share of the memory in the direction of a step.
        memory: the share of the memory that each step keeps.
    """

    def __init__(self, parameters: Any, lr: float, blend: float = 0.9, memory: float = 0.99):
        super().__init__(parameters, {"lr": lr, "blend": blend, "memory": memory})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Takes one step."""
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                p -= group["lr"] * mean.lerp(p.grad, 1 - group["blend"]).sign()
                mean.lerp_(p.grad, 1 - group["memory"])
