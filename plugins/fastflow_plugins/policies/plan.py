"""Planning: the best schedule for a given number of calls, from a few reference runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastflow.integration import (
    Episode,
    Feedback,
    FeedbackSpec,
    Grid,
    Scheme,
    StepContext,
    Unskipped,
    from_lists,
    to_lists,
)
from fastflow.policies import Memory, OptimalSchedule, Policy, check_computed_steps

HISTORY = 3  # computed steps whose velocities a gap's cost may depend on


@dataclass(frozen=True, kw_only=True)
class Plan(Policy):
    """Computes the steps that were best in hindsight, for a given number of calls.

    The first samples skip nothing and show what every skip costs under the run's extrapolator and
    corrector; dynamic programming then finds the schedule of least accumulated cost, which all
    later samples share.

    Args:
        computed_steps: how many steps are computed; guidance branches are not counted.
        longest: how many steps in a row are skipped at most.
        full_first: how many of the first samples skip nothing.
    """

    computed_steps: int = 19
    longest: int = 6
    warmup_samples: int = 1

    def __post_init__(self):
        for name in ("computed_steps", "longest", "warmup_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")

    def empty(self, grid: Grid) -> PlanMemory:
        key = {"policy": "plan", "longest": self.longest, "steps": grid.steps, "grid": grid.digest}
        return PlanMemory(key=key)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        check_computed_steps(self.computed_steps, grid, self.longest)
        memory = plan_memory(memory)
        if memory.gram is not None and (memory.frozen or memory.samples >= self.warmup_samples):
            return Planned(self, memory)
        gram = 0 if memory.frozen else HISTORY * (self.longest + 1)
        return Unskipped(FeedbackSpec(gram=gram))

    def learn(self, memory: Memory, feedback: Feedback) -> None:
        memory = plan_memory(memory)
        memory.samples += 1
        if feedback.gram is not None:
            memory.add(feedback.gram)

    def samples_until_update(self, memory: Memory) -> int | None:
        return 1 if memory.samples < self.warmup_samples and not memory.frozen else None


class Planned(Episode):
    """Computes the planned steps."""

    def __init__(self, policy: Plan, memory: PlanMemory):
        super().__init__()
        self.policy, self.memory = policy, memory

    def wants_model(self, context: StepContext) -> bool:
        return context.index in self.memory.plan(self.policy, context.grid, context.scheme)


@dataclass
class PlanMemory(Memory):
    """The mean Gram matrix of the unskipped trajectories that were seen.

    Attributes:
        full: how many trajectories it is the mean of.
        gram: ``(T, T)``, each trajectory's in units of its mean square velocity; None before any.
    """

    full: int = 0
    gram: np.ndarray | None = None
    _plans: dict[tuple, frozenset[int]] = field(default_factory=dict, repr=False, compare=False)

    def add(self, gram: np.ndarray) -> None:
        """Takes one trajectory in, unless it holds numbers that are not finite."""
        scale = float(np.diag(gram).mean())
        if np.isfinite(scale) and scale > 0:
            self._mix(gram / scale, 1)

    def plan(self, policy: Plan, grid: Grid, scheme: Scheme) -> frozenset[int]:
        """Returns the steps to compute; found once for each number of calls."""
        key = policy, scheme
        if key not in self._plans:
            assert self.gram is not None
            seen = OptimalSchedule(self.gram[None], grid, scheme, policy.longest)
            self._plans[key] = frozenset(seen.best(policy.computed_steps)[0])
        return self._plans[key]

    def merge(self, other: Memory) -> None:
        super().merge(other)
        other = plan_memory(other)
        if other.gram is not None:
            self._mix(other.gram, other.full)

    def _mix(self, gram: np.ndarray, count: int) -> None:
        mine = 0.0 if self.gram is None else self.gram * self.full
        self.full += count
        self.gram = (mine + gram * count) / self.full
        self._plans.clear()

    def to_dict(self) -> dict[str, Any]:
        gram = None if self.gram is None else to_lists(self.gram)
        return super().to_dict() | {"full": self.full, "gram": gram}

    def load_dict(self, content: dict[str, Any]) -> None:
        super().load_dict(content)
        self.full = content["full"]
        self.gram = None if content["gram"] is None else from_lists(content["gram"])
        self._plans.clear()

    def summary(self) -> str:
        """Returns how much the velocity changes from step to step, which is what plans rest on."""
        if self.gram is None:
            return "no unskipped trajectory seen yet"
        square, k = np.diag(self.gram), np.arange(len(self.gram) - 1)
        change = np.sqrt(np.maximum(square[1:] - 2 * self.gram[k, k + 1] + square[:-1], 0))
        lines = [f"{self.full} unskipped trajectories", "step  relative change of the velocity"]
        lines += [f"{i + 1:>4}  {c:.4f}" for i, c in enumerate(change / np.sqrt(square[:-1]))]
        return "\n".join(lines)


def plan_memory(memory: Memory) -> PlanMemory:
    """Returns the memory if it is one of `Plan`; raises a ValueError otherwise."""
    if not isinstance(memory, PlanMemory):
        raise ValueError("`memory` is not a plan's: make one with `policy.empty(grid)`.")
    return memory
