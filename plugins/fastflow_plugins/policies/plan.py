"""Planning: the best schedule of a given number of computed steps, from a few reference runs."""

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
    """Follows the schedule that would have cost the first samples least.

    The first samples skip nothing and show what every skip costs under the run's extrapolator and
    corrector; dynamic programming then finds the schedule of least accumulated cost for the given
    number of computed steps. All later samples share it.

    Args:
        computed_steps: the number of computed steps; guidance branches are not counted.
        longest: the most steps that are skipped in a row.
        warmup_samples: how many of the first samples skip nothing.
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
    """Computes the steps of the plan."""

    def __init__(self, policy: Plan, memory: PlanMemory):
        super().__init__()
        self.policy, self.memory = policy, memory

    def wants_model(self, context: StepContext) -> bool:
        return context.index in self.memory.plan(self.policy, context.grid, context.scheme)


@dataclass
class PlanMemory(Memory):
    """Keeps the mean Gram matrix of the unskipped trajectories observed so far.

    Attributes:
        unskipped: how many trajectories the mean is over.
        gram: ``(T, T)``, each trajectory's in units of its mean square velocity; None before the
            first.
    """

    unskipped: int = 0
    gram: np.ndarray | None = None
    _plans: dict[tuple, frozenset[int]] = field(default_factory=dict, repr=False, compare=False)

    def add(self, gram: np.ndarray) -> None:
        """Adds one trajectory to the mean, unless it has numbers that are not finite."""
        scale = float(np.diag(gram).mean())
        if np.isfinite(scale) and scale > 0:
            self._mix(gram / scale, 1)

    def plan(self, policy: Plan, grid: Grid, scheme: Scheme) -> frozenset[int]:
        """Returns the steps to compute; the search runs once for each policy and scheme."""
        key = policy, scheme
        if key not in self._plans:
            assert self.gram is not None
            search = OptimalSchedule(self.gram[None], grid, scheme, policy.longest)
            self._plans[key] = frozenset(search.best(policy.computed_steps)[0])
        return self._plans[key]

    def merge(self, other: Memory) -> None:
        super().merge(other)
        other = plan_memory(other)
        if other.gram is not None:
            self._mix(other.gram, other.unskipped)

    def _mix(self, gram: np.ndarray, count: int) -> None:
        own = 0.0 if self.gram is None else self.gram * self.unskipped
        self.unskipped += count
        self.gram = (own + gram * count) / self.unskipped
        self._plans.clear()

    def to_dict(self) -> dict[str, Any]:
        gram = None if self.gram is None else to_lists(self.gram)
        return super().to_dict() | {"unskipped": self.unskipped, "gram": gram}

    def load_dict(self, content: dict[str, Any]) -> None:
        super().load_dict(content)
        self.unskipped = content["unskipped"]
        self.gram = None if content["gram"] is None else from_lists(content["gram"])
        self._plans.clear()

    def summary(self) -> str:
        """Returns a table of the velocity's change from step to step, on which plans are based."""
        if self.gram is None:
            return "no unskipped trajectory yet"
        square, k = np.diag(self.gram), np.arange(len(self.gram) - 1)
        change = np.sqrt(np.maximum(square[1:] - 2 * self.gram[k, k + 1] + square[:-1], 0))
        lines = [
            f"{self.unskipped} unskipped trajectories",
            "step  relative change of the velocity",
        ]
        lines += [f"{i + 1:>4}  {c:.4f}" for i, c in enumerate(change / np.sqrt(square[:-1]))]
        return "\n".join(lines)


def plan_memory(memory: Memory) -> PlanMemory:
    """Returns the memory if it is one of `Plan`; raises a ValueError otherwise."""
    if not isinstance(memory, PlanMemory):
        raise ValueError("`memory` is not a plan's: make one with `policy.empty(grid)`.")
    return memory
