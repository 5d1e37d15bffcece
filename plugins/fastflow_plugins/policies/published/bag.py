"""BAG: a budget of computed steps, spent exactly, each decided by a gate on six scalars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fastflow.integration import (
    Episode,
    FeedbackSpec,
    Grid,
    NoCorrection,
    Reuse,
    Scheme,
    StepContext,
)
from fastflow.planning import OptimalSchedule
from fastflow.policies import Memory, Policy
from fastflow.sampling import Recording
from fastflow_plugins.policies.published.gate import Gate
from fastflow_plugins.policies.published.history import History

# the budgets that the gate is trained on, in shares of all steps
BUDGET_SHARES = (0.14, 0.2, 0.26, 0.32, 0.38, 0.44, 0.5)


@dataclass(frozen=True, kw_only=True)
class BAG(Policy):
    """Spends a number of computed steps exactly; a gate on six scalars decides for each sample.

    At step k of T, with c of B computed steps spent and the last computed step l, the scalars are
    ``B/T``, ``(B - c)/B``, ``(B - c)/(T - k)``, ``k - l``, ``|x_k - x_l|/|x_l|`` and
    ``|x_k - x_{k-1}|/|x_{k-1}|``. The published rule takes the embedded tokens of the network for
    x; here x are the latents. A step is computed if the gate says so, as long as steps are left to
    spend, and from where only enough steps follow to spend them.

    The published gate is a network of under 1,000 parameters that imitates, for each prompt, the
    schedule of a search by the LPIPS of the output. Here it is a logistic regression on the
    scalars and their products. It imitates, for each recorded trajectory, the optimal schedule of
    reused velocities on that trajectory (`OptimalSchedule`), at the published budgets of 14 % to
    50 % of the steps. Reference: https://arxiv.org/abs/2608.09231.

    Args:
        computed_steps: B, the first step and those that the grid forces included.
        gate: the parameters of the gate, as `calibrated` fits them to trajectories. Without any,
            the steps are about evenly spread over what is left.
    """

    computed_steps: int = 19
    gate: tuple[float, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "gate", tuple(self.gate))
        if self.computed_steps < 1:
            raise ValueError(f"`computed_steps` must be 1 or more, got {self.computed_steps}.")
        if len(self.gate) not in (0, Gate.SIZE) or not np.isfinite(self.gate).all():
            raise ValueError(
                f"`gate` must be empty or {Gate.SIZE} finite numbers, got {list(self.gate)}."
            )

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        fewest = sum(map(grid.is_forced, range(grid.steps)))
        if not fewest <= self.computed_steps <= grid.steps:
            raise ValueError(
                f"`computed_steps` must be from {fewest} to {grid.steps} on a grid of "
                f"{grid.steps} steps of which {fewest} are always computed, got "
                f"{self.computed_steps}."
            )
        return Gated(self, grid)

    def calibrated(self, recording: Recording) -> BAG:
        """Fits the gate to the optimal schedules of recorded trajectories, by maximum likelihood.

        Raises:
            ValueError: if nothing can be skipped on the recorded grid.
        """
        states, computed = examples(recording)
        if not 0 < computed.sum() < len(computed):
            raise ValueError(
                "the gate needs trajectories in which some steps are skipped, but none can be "
                "on the recorded grid. Use more steps."
            )
        return replace(self, gate=Gate.fitted(states, computed).parameters)

    def quality(self, recording: Recording) -> dict[str, float]:
        states, computed = examples(recording)
        says = np.array([Gate(self.gate).says(state) for state in states])
        recall = [float((says == kind)[computed == kind].mean()) for kind in (True, False)]
        return {"balanced accuracy": sum(recall) / 2, "decisions": len(computed)}


class Gated(Episode):
    """Spends a budget of computed steps."""

    def __init__(self, policy: BAG, grid: Grid):
        super().__init__(FeedbackSpec(forced_steps=True))
        self.budget, self.gate, self.history = policy.computed_steps, Gate(policy.gate), History()
        forced = [grid.is_forced(k) for k in range(grid.steps)]
        self.forced_ahead = np.cumsum(forced[::-1])[::-1].tolist()

    def wants_model(self, context: StepContext) -> bool:
        previous, last = self.history.see(context), self.history.last
        k, total, spent = context.index, context.total, self.history.steps
        forced = self.forced_ahead[k]
        free = self.budget - spent - forced  # what is left for steps that are not forced
        if free <= 0 or previous is None or last is None or context.grid.is_forced(k):
            return False
        if free >= total - k - forced:
            return True
        moved = float(change(context.x, last.x)), float(change(context.x, previous.x))
        return self.gate.says((*budget_state(self.budget, spent, k, total), k - last.step, *moved))


def budget_state(budget: int, spent: int, k: int, total: int) -> tuple[float, float, float]:
    """Returns the first three scalars at step k of ``total``."""
    left = budget - spent
    return budget / total, left / budget, left / (total - k)


def change(x: Tensor, since: Tensor) -> Tensor:
    """Returns ``|x - since| / |since|`` in the Euclidean norm, a scalar."""
    wide, base = x.float(), since.float()
    return (wide - base).norm() / base.norm().clamp_min(torch.finfo(torch.float32).tiny)


def examples(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Returns the scalars ``(n, 6)`` along optimal schedules, and whether each step is computed.

    The latents follow the schedule: a skipped step takes the last computed velocity.
    """
    trajectories = list(recording.trajectories.values())
    grid = trajectories[0].problem.grid
    scheme = Scheme(Reuse(), NoCorrection())
    search = OptimalSchedule(recording.grams, grid, scheme, longest=grid.steps, each=True)
    forced = sum(map(grid.is_forced, range(grid.steps)))
    budgets = sorted({max(round(share * grid.steps), forced) for share in BUDGET_SHARES})
    found = [
        example
        for budget in budgets
        for run, schedule in zip(trajectories, search.best(budget), strict=True)
        for example in followed(run.problem.x, run.velocities, grid, schedule)
    ]
    states, computed = zip(*found, strict=True) if found else ((), ())
    return np.array(states).reshape(-1, 6), np.array(computed, dtype=bool)


def followed(
    x: Tensor, velocities: Sequence[Tensor], grid: Grid, schedule: Sequence[int]
) -> Iterator[tuple[tuple[float, ...], bool]]:
    """Yields the scalars of each step of a schedule that is not forced, and its decision."""
    last, x_last, x_previous, spent = 0, x, x, 0
    for k in range(grid.steps):
        if not grid.is_forced(k):
            moved = float(change(x, x_last)), float(change(x, x_previous))
            state = (*budget_state(len(schedule), spent, k, grid.steps), k - last, *moved)
            yield state, k in schedule
        if k in schedule:
            last, x_last, spent = k, x, spent + 1
        x_previous, x = x, x + grid.dsigmas[k] * velocities[last]
