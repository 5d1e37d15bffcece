"""Re-planning: an exact number of computed steps, planned again at each sample's landings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fastflow.integration import (
    Coefficients,
    Episode,
    Extrapolator,
    FeedbackSpec,
    Grid,
    Observation,
    StepContext,
    Unskipped,
)
from fastflow.planning import (
    EARLY,
    POWER,
    CostsToGo,
    Fit,
    Planner,
    check_computed_steps,
    longest_gap,
)
from fastflow.policies import Memory, Policy
from fastflow_plugins.policies.plans.plan import (
    LINEAR_SCHEME,
    PlanMemory,
    check_plan_parameters,
    lacks_runs,
)

TYPICAL = 0.8  # of a landing's error to the root mean square over samples; a median is smaller
BELIEVED = 4.0  # a ratio of errors beyond it, or below its inverse, counts as this one


@dataclass(frozen=True, kw_only=True)
class Replan(Policy):
    """Plans the remaining steps again at every landing, from the error that a sample shows there.

    It starts like `plan`: the first samples skip nothing and show what every gap costs. In later
    samples, each landing shows the error of extrapolating to it. If that is r times as large as is
    typical, the next gap is expected to cost ``r^trust`` times as much as on average. The gaps
    after it are expected to cost the average: a sample's ratio lasts for one gap or two. The step
    computed next is the one with which the next gap and the best schedule after it cost least. So
    the number of computed steps is exact in every sample. The weights are fitted to the first
    samples, for whatever steps are computed. A batch has one error, the mean over its rows, and
    shares its decisions.

    Reading the error waits for the device once at each landing.

    Args:
        computed_steps: the number of computed steps; guidance branches are not counted.
        longest: the most steps that are skipped in a row; three times the mean gap if None.
        warmup_samples: how many of the first samples skip nothing.
        trust: the power of the ratio of errors that is expected of the next gap; with 0 all
            samples have the schedule of `plan`.
    """

    computed_steps: int = 19
    longest: int | None = None
    warmup_samples: int = 1
    trust: float = 0.3

    def __post_init__(self):
        check_plan_parameters(self.computed_steps, self.warmup_samples, self.longest)
        if not 0 <= self.trust <= 2:
            raise ValueError(f"`trust` must be from 0 to 2, got {self.trust}.")

    def empty(self, grid: Grid) -> ReplanMemory:
        key = {"policy": "replan", "products": "all", "steps": grid.steps, "grid": grid.digest}
        return ReplanMemory(key=key)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        check_computed_steps(self.computed_steps, grid, self.longest or grid.steps)
        memory = replan_memory(memory)
        if memory.gram.count and (memory.frozen or memory.samples >= self.warmup_samples):
            return Replanned(self, self.outlook(memory, grid))
        return Unskipped(FeedbackSpec(gram=not memory.frozen))

    def samples_until_update(self, memory: Memory) -> int | None:
        return 1 if lacks_runs(memory, self.warmup_samples) else None

    def outlook(self, memory: ReplanMemory, grid: Grid) -> Outlook:
        """Returns what the memory leads to expect of any sample; it is worked out once."""
        key = self, grid.digest, memory.gram.count
        if key not in memory.outlooks:
            memory.outlooks.clear()
            memory.outlooks[key] = self._expected(memory, grid)
        return memory.outlooks[key]

    def _expected(self, memory: ReplanMemory, grid: Grid) -> Outlook:
        assert memory.gram.matrix is not None
        planner = Planner(memory.gram.matrix, grid, LINEAR_SCHEME)
        check_computed_steps(self.computed_steps, planner.pieces, self.longest or grid.steps)
        longest = self.longest or longest_gap(self.computed_steps, planner.pieces)
        costs = planner.search.costs_to_go(self.computed_steps, longest, POWER, EARLY)
        return Outlook(planner.fit, costs)


@dataclass(frozen=True, eq=False)
class Outlook:
    """Holds what is expected of any sample.

    Args:
        fit: the fit of the weights, with the mean products of velocities.
        costs: the costs of gaps and of the rest of the trajectory.
    """

    fit: Fit
    costs: CostsToGo

    def landing_error(
        self, used: Sequence[int], landing: int, extrapolator: Extrapolator
    ) -> float:
        """Returns the root mean square relative error of extrapolating to a landing.

        Args:
            used: the computed steps that are extrapolated, newest first.
            landing: the step of the landing.
            extrapolator: the extrapolator.
        """
        sigma, gram = self.fit.grid.sigma, self.fit.gram
        steps = [*used, landing]
        weights = extrapolator.weights([sigma[k] for k in used], sigma[landing])
        w = np.array([*weights, -1.0])
        square, norm = w @ gram[np.ix_(steps, steps)] @ w, gram[landing, landing]
        return float(np.sqrt(max(square, 0.0) / norm)) if norm > 0 else 0.0


class Replanned(Episode):
    """Computes the steps that are planned at the landings."""

    def __init__(self, policy: Replan, outlook: Outlook):
        spec = FeedbackSpec(loss="relative_l2", all_arms=True, immediate=True, forced_steps=True)
        super().__init__(spec)
        self.trust = policy.trust
        self.coefficients = self.itinerary = Itinerary(outlook, policy.computed_steps)
        self.context: StepContext | None = None

    def wants_model(self, context: StepContext) -> bool:
        self.context = context
        return context.index == self.itinerary.following

    def observe(self, observations: Sequence[Observation]) -> None:
        seen = observations[0]  # the only one: nothing is looked back at
        assert self.context is not None
        extrapolator = self.context.scheme.extrapolator
        used = self.itinerary.computed[: -extrapolator.depth - 1 : -1]
        expected = self.itinerary.outlook.landing_error(used, seen.landing, extrapolator)
        ratio = seen.error / (TYPICAL * expected) if expected > 1e-6 else 1.0
        if np.isfinite(ratio):
            self.itinerary.scale = float(np.clip(ratio, 1 / BELIEVED, BELIEVED)) ** self.trust


class Itinerary(Coefficients):
    """Chooses the next step at each landing, with the weights that lead there.

    Args:
        outlook: what is expected of any sample.
        left: how many steps are still to be computed.

    Attributes:
        following: the step that is computed next.
        computed: the steps computed since the last jump.
        scale: how many times as large as on average the error of the next gap is expected.
    """

    def __init__(self, outlook: Outlook, left: int):
        self.outlook, self.left = outlook, left
        self.following, self.scale = 0, 1.0
        self.computed: tuple[int, ...] = ()
        self._row: Sequence[float] | None = None

    def weights(
        self, computed: Sequence[int], k: int, so_far: Sequence[float]
    ) -> Sequence[float] | None:
        if computed[-1] == k:
            self._land(tuple(computed))
        if self._row is None:
            return None
        sigma, end = self.outlook.fit.grid.sigma, self.following
        share = (sigma[k + 1] - sigma[k]) / (sigma[end] - sigma[k])
        return [a + share * (b - a) for a, b in zip(so_far, self._row, strict=True)]

    def _land(self, computed: tuple[int, ...]) -> None:
        """Plans the remaining steps, after the last of these was computed."""
        self.computed, self.left = computed, self.left - 1
        before, k = computed[-2:][0], computed[-1]
        self.following = self.outlook.costs.next(before, k, self.left, self.scale)
        self.scale = 1.0
        is_plain = self.following - computed[0] == len(computed)  # Euler's own step, bit for bit
        found = None if is_plain else self.outlook.fit.weights(computed, self.following)
        self._row = None if found is None else found.tolist()


@dataclass
class ReplanMemory(PlanMemory):
    """Keeps what is expected of any sample, beside the reference runs.

    Attributes:
        outlooks: the last outlook, by what it was made for.
    """

    outlooks: dict[tuple, Outlook] = field(default_factory=dict, repr=False, compare=False)


def replan_memory(memory: Memory) -> ReplanMemory:
    """Returns the memory if it is one of `Replan`; raises a ValueError otherwise."""
    if not isinstance(memory, ReplanMemory):
        raise ValueError("`memory` is not replan's: make one with `policy.empty(grid)`.")
    return memory
