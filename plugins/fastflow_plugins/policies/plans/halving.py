"""The bandit over whole plans: Sequential Halving on the error at the end of live runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastflow.integration import Episode, Feedback, FeedbackSpec, Grid, Reuse, Scheme, Unskipped
from fastflow.planning import (
    LinearPlan,
    LiveProducts,
    PlanArm,
    Planner,
    audit_time,
    challenger,
    check_computed_steps,
    halved,
    is_better,
    price,
    refit,
    round_sizes,
)
from fastflow.policies import FollowedPlan, Memory, Policy, Trial, TrialResult, Trials
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Quadratic
from fastflow_plugins.policies.plans.halving_memory import HalvingMemory, halving_memory
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
        audits: whether to go on learning: ever fewer samples (`audit_time`) run in full, and the
            plan in use and one of the other survivors, drawn by Thompson sampling, are tried on
            them. The plan changes only for one that is better with 95 % confidence.
    """

    computed_steps: int = 19
    warmup_samples: int = 12
    audits: bool = False

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
            if self._due_in(memory) == 0:
                return Unskipped(FeedbackSpec(velocities=True))
            return FollowedPlan(memory.chosen, grid)
        if memory.frozen and memory.gram.matrix is not None:
            plan = self.planner(memory.gram.matrix, grid).candidates(self.computed_steps)
            return FollowedPlan(next(iter(plan.values())), grid)
        return Unskipped(FeedbackSpec(velocities=not memory.frozen))

    def samples_until_update(self, memory: Memory) -> int | None:
        memory = halving_memory(memory)
        if memory.chosen is not None:
            due = self._due_in(memory)
            return None if due is None else max(due, 1)
        if memory.frozen:
            return None
        return max(self.warmup_samples - memory.samples, 1)

    def learning_runs(self, grid: Grid) -> float:
        """Returns about how many reference runs' worth of network calls the trials take."""
        return price(ARMS, self.warmup_samples) * self.computed_steps / grid.steps

    def trials(self, memory: Memory, grid: Grid, references: Sequence[Feedback]) -> Trials | None:
        memory = halving_memory(memory)
        if memory.frozen or not references or not memory.gram.count:
            return None
        if memory.chosen is not None:
            due = self._due_in(memory)
            return self._audit(memory) if due is not None and due < 0 else None
        if memory.samples < self.warmup_samples:
            return None
        return self._halve(memory, grid, references)

    def _due_in(self, memory: HalvingMemory) -> int | None:
        """Returns in how many samples the next audit is due; None if there are no audits."""
        if not self.audits or memory.frozen or len(memory.arms) < 2:
            return None
        return memory.chosen_after + audit_time(memory.audits + 1) - memory.samples

    def _audit(self, memory: HalvingMemory) -> Trials:
        """Runs the plan in use and a challenger from the noise of one reference run."""
        incumbent, *others = memory.survivors()
        other = challenger(incumbent, others, np.random.default_rng(memory.samples))
        answers = yield [Trial(arm.plan, 0) for arm in (incumbent, other)]
        number = 1 + max(max(arm.errors, default=0) for arm in memory.arms)
        for arm, answer in zip((incumbent, other), answers, strict=True):
            memory.take(arm, number, answer)
        memory.audits += 1
        if is_better(other, incumbent):
            memory.chosen = other.plan

    def planner(self, gram: np.ndarray, grid: Grid) -> Planner:
        """Returns the planner that proposes the arms.

        Args:
            gram: ``(T, T)`` mean products of the velocities of reference runs.
            grid: their time grid.
        """
        return Planner(gram, grid, LINEAR_SCHEME, orders=ORDERS)

    def _halve(self, memory: HalvingMemory, grid: Grid, references: Sequence[Feedback]) -> Trials:
        assert memory.gram.matrix is not None
        planner = self.planner(memory.gram.matrix, grid)
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
        memory.chosen_after = memory.samples

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
