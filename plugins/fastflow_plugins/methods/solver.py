"""Fewer steps of a solver: the baseline that every way of skipping must beat."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor

from fastflow.evaluation import Bench, Knob, Learned, Method
from fastflow.integration import Feedback, Grid
from fastflow.sampling import Problem, Request, Sample, Seconds, reference_sampler

SolverStep = Callable[[int, Tensor, Tensor], Tensor]  # (k, x, v) -> x


@dataclass(frozen=True, kw_only=True)
class Solver(Method):
    """Integrates the velocity in fewer steps, all computed, on the model's own grid of that size.

    ``euler`` does the same as the model's pipeline with fewer steps. ``ab2`` is the two-step
    Adams-Bashforth formula. ``unipc`` (https://arxiv.org/abs/2302.04867) and ``dpmpp``
    (DPM-Solver++ of order 2, https://arxiv.org/abs/2211.01095) are diffusers' flow schedulers.
    A solver of higher order can be more accurate than the reference run, and then differs from it
    for that reason.

    Args:
        solver: euler, ab2, unipc or dpmpp.
        computed_steps: the number of steps.
    """

    solver: str = "euler"
    computed_steps: int = 19

    def __post_init__(self):
        if self.solver not in ("euler", *SOLVERS):
            names = ", ".join(("euler", *SOLVERS))
            raise ValueError(f"`solver` must be one of {names}, got {self.solver!r}.")
        if self.computed_steps < 1:
            raise ValueError(f"`computed_steps` must be 1 or more, got {self.computed_steps}.")

    @property
    def knob(self) -> Knob:
        return Knob("computed_steps", is_computed_steps=True)

    def is_separable(self, bench: Bench, learned: Learned) -> bool:
        return True

    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        shorter = [replace(request, steps=self.computed_steps) for request in requests]
        if self.solver == "euler":
            yield from reference_sampler(bench.model, max_batch=bench.max_batch).generate(shorter)
            return
        for start in range(0, len(shorter), bench.max_batch):
            yield from self._solve(bench, shorter[start : start + bench.max_batch])

    @torch.no_grad()
    def _solve(self, bench: Bench, requests: Sequence[Request]) -> Iterator[Sample]:
        """Integrates a batch in lock-step."""
        model = bench.model
        problems = [model.prepare(request) for request in requests]
        start = perf_counter()
        x = self._integrate(bench, problems)
        if x.is_cuda:
            torch.cuda.synchronize(x.device)
        seconds = Seconds(denoise=(perf_counter() - start) / len(requests))
        for problem, end in zip(problems, x.split(1), strict=True):
            yield Sample(
                request=problem.request,
                output=model.decode(end, problem),
                x=end,
                computed=tuple(range(self.computed_steps)),
                calls=model.calls_of(problem, range(self.computed_steps)),
                feedback=Feedback(),
                propensities={},
                seconds=seconds,
                calls_full=model.calls_of(problem, range(self.computed_steps)),
            )

    def _integrate(self, bench: Bench, problems: Sequence[Problem]) -> Tensor:
        grid = problems[0].grid
        step = SOLVERS[self.solver](grid)
        conditioning = [problem.conditioning for problem in problems]
        x = torch.cat([problem.x for problem in problems])
        for k in range(grid.steps):
            t = grid.model_times[k : k + 1].expand(len(problems))
            x = step(k, x, bench.model.velocity(x, t, conditioning))
        return x


def adams_bashforth(grid: Grid) -> SolverStep:
    """Returns the two-step Adams-Bashforth formula on uneven steps; its first step is Euler's."""
    last: list[Tensor] = []

    def step(k: int, x: Tensor, v: Tensor) -> Tensor:
        slope = v.float()
        if last:
            ratio = grid.dsigmas[k] / grid.dsigmas[k - 1]
            slope = slope + ratio / 2 * (slope - last[0].float())
        last[:] = [v]
        return (x.float() + grid.dsigmas[k] * slope).to(v.dtype)

    return step


def unipc(grid: Grid) -> SolverStep:
    """Returns the steps of diffusers' UniPC for flows, of order 2."""
    from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

    return _multistep(UniPCMultistepScheduler, grid)


def dpmpp(grid: Grid) -> SolverStep:
    """Returns the steps of diffusers' DPM-Solver++ for flows, of order 2."""
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    return _multistep(DPMSolverMultistepScheduler, grid)


def _multistep(scheduler: type, grid: Grid) -> SolverStep:
    made = scheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    with warnings.catch_warnings():  # numpy 2 deprecates how diffusers converts tensors
        warnings.simplefilter("ignore", DeprecationWarning)
        made.set_timesteps(grid.steps)
    # its own grid differs; at sigma = 1 the logarithm of the signal level would be infinite
    made.sigmas = torch.tensor([min(sigma, 1 - 1e-6) for sigma in grid.sigma])
    made.timesteps = made.sigmas[:-1] * made.config.num_train_timesteps
    made.set_begin_index(0)
    return lambda k, x, v: made.step(v, made.timesteps[k], x, return_dict=False)[0]


SOLVERS: dict[str, Callable[[Grid], SolverStep]] = {
    "ab2": adams_bashforth,
    "unipc": unipc,
    "dpmpp": dpmpp,
}
