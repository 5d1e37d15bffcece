"""Trials: plans run live from the noise of a reference run, and judged by their end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from fastflow.integration.episode import Episode, StepContext
from fastflow.integration.feedback import Feedback, FeedbackSpec
from fastflow.integration.grid import Grid
from fastflow.planning.linear_plan import LinearPlan, PlannedCoefficients
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy


@dataclass(frozen=True)
class Trial:
    """Asks for one run of a plan.

    Args:
        plan: the plan.
        reference: the number of the reference run whose noise it starts from.
    """

    plan: LinearPlan
    reference: int


@dataclass(frozen=True)
class TrialResult:
    """Holds the result of one trial.

    Args:
        error: the root mean square difference of the final latents from the reference run's;
            infinite if the run failed.
        calls: the network calls that it took.
        feedback: what was observed, velocities included.
        scale: the root mean square of the reference run's final latents.
    """

    error: float
    calls: int
    feedback: Feedback = field(default=Feedback(), repr=False)
    scale: float = 1.0


Trials = Generator[list[Trial], list[TrialResult], None]


@dataclass(frozen=True, kw_only=True)
class Follow(Policy):
    """Computes the steps of a plan, with its weights.

    Args:
        plan: the plan.
    """

    plan: LinearPlan

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return FollowedPlan(self.plan, grid)


@dataclass(frozen=True, kw_only=True)
class FollowEach(Policy):
    """Follows one plan after another, one for each trajectory, and keeps their velocities.

    Args:
        plans: the plans, in the order in which the trajectories begin.
    """

    plans: Iterator[LinearPlan]

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return FollowedPlan(next(self.plans), grid, FeedbackSpec(velocities=True))


class FollowedPlan(Episode):
    """Follows a plan."""

    def __init__(self, plan: LinearPlan, grid: Grid, feedback_spec: FeedbackSpec | None = None):
        super().__init__(feedback_spec or FeedbackSpec())
        self.nodes = frozenset(plan.nodes)
        self.coefficients = PlannedCoefficients(plan, grid)

    def wants_model(self, context: StepContext) -> bool:
        return context.index in self.nodes
