"""Planning: the best schedule of a given number of computed steps, from a few reference runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fastflow.integration import (
    Episode,
    FeedbackSpec,
    Grid,
    Scheme,
    StepContext,
    Unskipped,
)
from fastflow.planning import (
    EARLY,
    POWER,
    LinearPlan,
    OptimalSchedule,
    PlannedCoefficients,
    Planner,
    check_computed_steps,
    longest_gap,
)
from fastflow.policies import Memory, Policy
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear

LINEAR_SCHEME = Scheme(Linear(), Interpolate())
WEIGHTS = ("fitted", "scheme")


@dataclass(frozen=True, kw_only=True)
class Plan(Policy):
    """Follows the schedule, and the weights, that would have cost the first samples least.

    The first samples skip nothing and show what every skip costs under linear extrapolation with
    landing correction (or the run's scheme). Dynamic programming finds the schedule of the given
    number of computed steps whose gaps cost least; the weights of its velocities are then fitted
    to the first samples. All later samples share the plan.

    Args:
        computed_steps: the number of computed steps; guidance branches are not counted.
        longest: the most steps that are skipped in a row; three times the mean gap if None.
        warmup_samples: how many of the first samples skip nothing.
        weights: ``fitted``, or ``scheme`` to keep the run's extrapolator and corrector.
        power: the power of a gap's cost that is summed; above 1 it avoids single bad gaps.
        early: how many times as much an error counts at the noise end as late; errors near the
            noise change what an undecided sample becomes.
    """

    computed_steps: int = 19
    longest: int | None = None
    warmup_samples: int = 1
    weights: str = "fitted"
    power: float = POWER
    early: float = EARLY

    def __post_init__(self):
        check_plan_parameters(self.computed_steps, self.warmup_samples, self.longest)
        if self.weights not in WEIGHTS:
            raise ValueError(f"`weights` must be fitted or scheme, got {self.weights!r}.")
        for name in ("power", "early"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0, got {getattr(self, name)}.")

    def empty(self, grid: Grid) -> PlanMemory:
        key = {"policy": "plan", "products": "all", "steps": grid.steps, "grid": grid.digest}
        return PlanMemory(key=key)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        check_computed_steps(self.computed_steps, grid, self.longest or grid.steps)
        memory = plan_memory(memory)
        if memory.gram.count and (memory.frozen or memory.samples >= self.warmup_samples):
            return Planned(self, memory, grid)
        return Unskipped(FeedbackSpec(gram=not memory.frozen))

    def samples_until_update(self, memory: Memory) -> int | None:
        return 1 if lacks_runs(memory, self.warmup_samples) else None

    def plan(self, memory: PlanMemory, grid: Grid, scheme: Scheme) -> LinearPlan:
        """Returns the plan from what the memory has seen; the search runs once."""
        key = self, grid.digest, scheme, memory.gram.count
        if key not in memory.plans:
            memory.plans.clear()
            memory.plans[key] = self._made(memory, grid, scheme)
        return memory.plans[key]

    def _made(self, memory: PlanMemory, grid: Grid, scheme: Scheme) -> LinearPlan:
        gram = memory.gram.matrix
        assert gram is not None
        planner = Planner(gram, grid, scheme)
        if self.weights == "fitted":
            nodes = planner.nodes(self.computed_steps, self.power, self.longest, self.early)
            return planner.fitted(nodes)
        longest = self.longest or longest_gap(self.computed_steps, planner.pieces)
        search = OptimalSchedule(
            np.nan_to_num(gram)[None],
            planner.pieces,
            scheme,
            longest,
            power=self.power,
            early=self.early,
        )
        return planner.polynomial(search.best(self.computed_steps)[0])


class Planned(Episode):
    """Computes the steps of the plan, with its weights."""

    def __init__(self, policy: Plan, memory: PlanMemory, grid: Grid):
        super().__init__()
        self.policy, self.memory = policy, memory
        self.plan: LinearPlan | None = None
        if policy.weights == "fitted":
            self.plan = policy.plan(memory, grid, LINEAR_SCHEME)
            self.coefficients = PlannedCoefficients(self.plan, grid)

    def wants_model(self, context: StepContext) -> bool:
        if self.plan is None:
            plain = context.scheme._replace(coefficients=None)
            self.plan = self.policy.plan(self.memory, context.grid, plain)
        return context.index in self.plan.nodes


@dataclass
class PlanMemory(Memory):
    """Keeps the plan that was made, beside the reference runs from which it was made.

    Attributes:
        plans: the last plan, by what it was made for.
    """

    plans: dict[tuple, LinearPlan] = field(default_factory=dict, repr=False, compare=False)

    def summary(self) -> str:
        """Returns a table of the velocity's change from step to step, on which plans are based."""
        if self.gram.matrix is None:
            return "no unskipped trajectory yet"
        gram = self.gram.matrix
        square, k = np.diag(gram), np.arange(len(gram) - 1)
        change = np.sqrt(np.maximum(square[1:] - 2 * gram[k, k + 1] + square[:-1], 0))
        lines = [
            f"{self.gram.count} unskipped trajectories",
            "step  relative change of the velocity",
        ]
        lines += [f"{i + 1:>4}  {c:.4f}" for i, c in enumerate(change / np.sqrt(square[:-1]))]
        return "\n".join(lines)


def plan_memory(memory: Memory) -> PlanMemory:
    """Returns the memory if it is one of `Plan`; raises a ValueError otherwise."""
    if not isinstance(memory, PlanMemory):
        raise ValueError("`memory` is not a plan's: make one with `policy.empty(grid)`.")
    return memory


def check_plan_parameters(computed_steps: int, warmup_samples: int, longest: int | None) -> None:
    """Raises a ValueError for a parameter out of range that all plans of first samples have."""
    for name, value in (("computed_steps", computed_steps), ("warmup_samples", warmup_samples)):
        if value < 1:
            raise ValueError(f"`{name}` must be 1 or more, got {value}.")
    if longest is not None and longest < 1:
        raise ValueError(f"`longest` must be 1 or more, got {longest}.")


def lacks_runs(memory: Memory, warmup_samples: int) -> bool:
    """Returns whether a memory that may learn has still to see the first samples."""
    lacks = memory.samples < warmup_samples or not memory.gram.count
    return lacks and not memory.frozen
