"""The bandit over whole plans: Sequential Halving on the error at the end of live runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastflow.integration import Episode, Feedback, FeedbackSpec, Grid, Reuse, Scheme, Unskipped
from fastflow.planning import (
    LinearPlan,
    LiveProducts,
    PlanArm,
    Planner,
    arms_as_text,
    check_computed_steps,
    halved,
    price,
    refit,
    round_sizes,
)
from fastflow.policies import FollowedPlan, Memory, Policy, Trial, TrialResult, Trials
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Quadratic
from fastflow_plugins.policies.plans.plan import LINEAR_SCHEME

ORDERS = (Scheme(Reuse(), Interpolate()), LINEAR_SCHEME, Scheme(Quadratic(), Interpolate(order=2)))
ARMS = 16  # candidates that a planner usually finds, for the price stated before it starts


@dataclass(frozen=True, kw_only=True)
class Halving(Policy):
    """Tries whole plans live, keeps the better half again and again, and follows the winner.

    The arms are plans with the given number of computed steps: schedules found in different ways,
    with fitted and with polynomial weights (`Planner.candidates`). Each run of an arm starts from
    the noise of a reference run, and its loss is the log of the difference at the end, which is
    what matters and at few steps is not a sum over gaps. Rounds with more and more samples keep
    the better half; the weights of the two finalists are refitted to their own live velocities,
    and the refit is kept if it is better on samples that it was not fitted to. Reference: Karnin,
    Koren, Somekh 2013, https://proceedings.mlr.press/v28/karnin13.html.

    Args:
        computed_steps: the number of computed steps; guidance branches are not counted.
        warmup_samples: how many of the first samples skip nothing; the arms are tried on them.
    """

    computed_steps: int = 19
    warmup_samples: int = 12

    def __post_init__(self):
        for name in ("computed_steps", "warmup_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")

    def empty(self, grid: Grid) -> HalvingMemory:
        key = {
            "policy": "halving",
            "computed_steps": self.computed_steps,
            "steps": grid.steps,
            "grid": grid.digest,
        }
        return HalvingMemory(key=key)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        check_computed_steps(self.computed_steps, grid, grid.steps)
        memory = halving_memory(memory)
        if memory.chosen is not None:
            return FollowedPlan(memory.chosen, grid)
        if memory.frozen and memory.gram.matrix is not None:
            plan = self._planner(memory, grid).candidates(self.computed_steps)
            return FollowedPlan(next(iter(plan.values())), grid)
        return Unskipped(FeedbackSpec(velocities=not memory.frozen))

    def samples_until_update(self, memory: Memory) -> int | None:
        memory = halving_memory(memory)
        if memory.frozen or memory.chosen is not None:
            return None
        return max(self.warmup_samples - memory.samples, 1)

    def learning_runs(self, grid: Grid) -> float:
        """Returns about how many reference runs' worth of network calls the trials take."""
        return price(ARMS, self.warmup_samples) * self.computed_steps / grid.steps

    def trials(self, memory: Memory, grid: Grid, references: Sequence[Feedback]) -> Trials | None:
        memory = halving_memory(memory)
        done = memory.chosen is not None or memory.samples < self.warmup_samples
        if memory.frozen or done or not references or not memory.gram.count:
            return None
        return self._halve(memory, grid, references)

    def _planner(self, memory: HalvingMemory, grid: Grid) -> Planner:
        assert memory.gram.matrix is not None
        return Planner(memory.gram.matrix, grid, LINEAR_SCHEME, orders=ORDERS)

    def _halve(self, memory: HalvingMemory, grid: Grid, references: Sequence[Feedback]) -> Trials:
        planner = self._planner(memory, grid)
        found = planner.candidates(self.computed_steps)
        memory.arms = [PlanArm(name, plan) for name, plan in found.items()]
        alive, results = list(memory.arms), {}
        for size in round_sizes(len(references)):
            asked = [(arm, i) for arm in alive for i in range(size) if i not in arm.errors]
            answers = yield [Trial(arm.plan, i) for arm, i in asked]
            for (arm, i), answer in zip(asked, answers, strict=True):
                memory.take(arm, i, answer)
                results[arm.name, i] = _products(arm.plan, answer, references[i])
            alive = halved(alive, size)
            results = {key: value for key, value in results.items() if key[0] in _names(alive)}
        finalists = alive[:2]
        if len(references) > 1:
            refits = yield from self._refit(memory, finalists, results, planner.pieces)
            finalists = [*finalists, *refits]
        memory.chosen = min(finalists, key=lambda arm: arm.score()).plan

    def _refit(
        self, memory: HalvingMemory, finalists: Sequence[PlanArm], results: dict, grid: Grid
    ) -> Any:
        """Refits each finalist on one half of the samples and runs it on the other half."""
        refits = []
        for arm in finalists:
            known = {i: run for (name, i), run in results.items() if name == arm.name and run}
            halves = [[i for i in known if i % 2 == half] for half in (0, 1)]
            if not all(halves):
                continue
            plans = [refit(arm.plan, grid, [known[i] for i in half]) for half in halves]
            asked = [(plans[i % 2 == 0], i) for i in sorted(known)]
            answers = yield [Trial(plan, i) for plan, i in asked]
            whole = refit(arm.plan, grid, list(known.values()))
            refits.append(PlanArm(f"{arm.name}, refitted", whole))
            for (_, i), answer in zip(asked, answers, strict=True):
                memory.take(refits[-1], i, answer)
        memory.arms += refits
        return refits


def _products(plan: LinearPlan, answer: TrialResult, reference: Feedback) -> LiveProducts | None:
    """Returns the products of a trial and its reference run; None if velocities are missing."""
    live, full = answer.feedback.velocities, reference.velocities
    if any(k not in live for k in plan.nodes) or len(full) <= max(plan.nodes):
        return None
    return LiveProducts.of(plan.nodes, live, full)


def _names(arms: Sequence[PlanArm]) -> set[str]:
    return {arm.name for arm in arms}


@dataclass
class HalvingMemory(Memory):
    """Holds the table of arms and the plan that was chosen.

    Attributes:
        arms: the plans with their errors.
        chosen: the winner; None before the trials.
    """

    arms: list[PlanArm] = field(default_factory=list)
    chosen: LinearPlan | None = None

    def take(self, arm: PlanArm, reference: int, answer: TrialResult) -> None:
        """Adds the result of one trial."""
        arm.add(reference, answer.error)
        self.learning_calls += answer.calls

    def merge(self, other: Memory) -> None:
        """Adds another table; the plan with the better score over more samples is kept."""
        samples = self.samples
        super().merge(other)
        other = halving_memory(other)
        own = {arm.plan: arm for arm in self.arms}
        for arm in other.arms:
            mine = own.get(arm.plan)
            if mine is None:
                mine = PlanArm(arm.name, arm.plan)
                self.arms.append(mine)
            mine.errors |= {i + samples: error for i, error in arm.errors.items()}
        if self.arms:
            most = max(len(arm.errors) for arm in self.arms)
            tried = [arm for arm in self.arms if len(arm.errors) == most]
            self.chosen = min(tried, key=lambda arm: arm.score()).plan
        elif other.chosen is not None:
            self.chosen = other.chosen

    def to_dict(self) -> dict[str, Any]:
        chosen = None if self.chosen is None else self.chosen.to_dict()
        arms = [arm.to_dict() for arm in self.arms]
        return super().to_dict() | {"chosen": chosen, "arms": arms}

    def load_dict(self, content: dict[str, Any]) -> None:
        super().load_dict(content)
        chosen = content["chosen"]
        self.chosen = None if chosen is None else LinearPlan.from_dict(chosen)
        self.arms = [PlanArm.from_dict(arm) for arm in content["arms"]]

    def summary(self) -> str:
        """Returns the table of arms."""
        if self.chosen is None:
            return f"no plan yet; {self.samples} samples seen"
        head = (
            f"plan chosen from {len(self.arms)} by live runs (*), on {self.gram.count} reference "
            f"runs; {self.learning_calls} network calls for the trials"
        )
        return "\n".join([head, *arms_as_text(self.arms, self.chosen)])


def halving_memory(memory: Memory) -> HalvingMemory:
    """Returns the memory if it is one of `Halving`; raises a ValueError otherwise."""
    if not isinstance(memory, HalvingMemory):
        raise ValueError("`memory` is not halving's: make one with `policy.empty(grid)`.")
    return memory
