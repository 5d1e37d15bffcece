"""The bandit over whole plans: Sequential Halving on the error at the end of live runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastflow.integration import Episode, Feedback, FeedbackSpec, Grid, Reuse, Scheme, Unskipped
from fastflow.planning import (
    EARLY,
    POWER,
    LinearPlan,
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
from fastflow.policies import FollowedPlan, Memory, Policy, Trial, Trials
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Quadratic
from fastflow_plugins.policies.plans.halving_memory import HalvingMemory, halving_memory
from fastflow_plugins.policies.plans.plan import LINEAR_SCHEME

ORDERS = (Scheme(Reuse(), Interpolate()), LINEAR_SCHEME, Scheme(Quadratic(), Interpolate(order=2)))
REFITTED = ", refitted"  # at the end of a refitted plan's name
MOVED = ", moved "  # in the name of a neighbour
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
        neighbours: how many schedules that differ from the winner's by one moved node, the
            cheapest by their predicted costs, are tried on all samples after the last round.
        audits: whether to go on learning: ever fewer samples (`audit_time`) run in full, and the
            plan in use and one of the other survivors, drawn by Thompson sampling, are tried on
            them. The plan changes only for one that is better with 95 % confidence.
    """

    computed_steps: int = 19
    warmup_samples: int = 12
    neighbours: int = 0
    audits: bool = False

    def __post_init__(self):
        for name in ("computed_steps", "warmup_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")
        if self.neighbours < 0:
            raise ValueError(f"`neighbours` must be 0 or more, got {self.neighbours}.")

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
        warm = memory.frozen or memory.samples >= self.warmup_samples
        if warm and memory.gram.matrix is not None:
            return FollowedPlan(self._first(memory, memory.gram.matrix, grid), grid)
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
        runs = price(ARMS, self.warmup_samples, self.neighbours)
        return runs * self.computed_steps / grid.steps

    def remarks(self, memory: Memory, grid: Grid) -> list[str]:
        if halving_memory(memory).chosen is not None:
            return []
        return [
            "halving has not tried its plans: it computes every step of its first "
            f"{self.warmup_samples} calls and then follows its first candidate. Call "
            "tune(prompts, seeds=...) to try them and keep the best"
        ]

    def are_audits(self, memory: Memory) -> bool:
        return halving_memory(memory).chosen is not None

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
        number = 1 + max(max(arm.errors, default=0) for arm in memory.arms)
        while asked := [arm for arm in (incumbent, other) if number not in arm.errors]:
            answers = yield [Trial(arm.plan, 0) for arm in asked]
            for arm, answer in zip(asked, answers, strict=False):
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

    def _first(self, memory: HalvingMemory, gram: np.ndarray, grid: Grid) -> LinearPlan:
        """Returns the first candidate, found once for each state of the memory."""
        key = self, grid.digest, memory.gram.count
        if key not in memory.first:
            memory.first.clear()
            planner = self.planner(gram, grid)
            nodes = planner.nodes(self.computed_steps, POWER, None, EARLY)
            memory.first[key] = planner.fitted(nodes)
        return memory.first[key]

    def _halve(self, memory: HalvingMemory, grid: Grid, references: Sequence[Feedback]) -> Trials:
        assert memory.gram.matrix is not None
        planner = self.planner(memory.gram.matrix, grid)
        if not memory.runs.begin(references) or not memory.arms:
            found = planner.candidates(self.computed_steps).items()
            forced = {k for k in range(grid.steps) if planner.pieces.is_forced(k)}
            # another plan would be run with more steps than it has, and not by its weights
            memory.arms = [PlanArm(name, p) for name, p in found if forced <= {*p.nodes}]
        alive = [arm for arm in memory.arms if _is_first(arm)]
        for size in round_sizes(len(references)):
            wanted = [(arm, arm.plan, i) for arm in alive for i in range(size)]
            yield from self._try(memory, wanted, references)
            alive = halved(alive, size)
            memory.runs.keep({arm.name for arm in alive})
        finalists = alive[:2]
        if self.neighbours:
            near = yield from self._near(memory, alive[0], planner, references)
            finalists = sorted([*finalists, *near], key=lambda arm: arm.score())[:2]
        if len(references) > 1:
            refits = yield from self._refit(memory, finalists, references, planner.pieces)
            finalists = [*finalists, *refits]
        memory.chosen = min(finalists, key=lambda arm: arm.score()).plan
        memory.chosen_after = memory.samples
        memory.runs.keep(set())

    def _try(
        self,
        memory: HalvingMemory,
        wanted: Sequence[tuple[PlanArm, LinearPlan, int]],
        references: Sequence[Feedback],
    ) -> Trials:
        """Runs, for each arm, a plan from the noise of a reference run, unless that is done."""
        while asked := [(arm, plan, i) for arm, plan, i in wanted if i not in arm.errors]:
            answers = yield [Trial(plan, i) for _, plan, i in asked]
            for (arm, _, i), answer in zip(asked, answers, strict=False):
                memory.runs.add(arm, i, answer, references[i])
                memory.take(arm, i, answer)

    def _near(
        self,
        memory: HalvingMemory,
        winner: PlanArm,
        planner: Planner,
        references: Sequence[Feedback],
    ) -> Any:
        """Tries schedules that differ from the winner's by one node, with weights of its kind."""
        schedule, weights = winner.name.rsplit(", ", 1)
        nodes, near = winner.plan.nodes, []
        known = [arm.plan for arm in memory.arms if _is_first(arm)]
        for other in planner.neighbours(nodes):
            if len(near) == self.neighbours:
                break
            plan = planner.weighted(other, weights)
            if plan not in known:
                (old,), (new,) = {*nodes} - {*other}, {*other} - {*nodes}
                near.append(memory.arm(f"{schedule}{MOVED}{old} to {new}, {weights}", plan))
        wanted = [(arm, arm.plan, i) for arm in near for i in range(len(references))]
        yield from self._try(memory, wanted, references)
        return near

    def _refit(
        self,
        memory: HalvingMemory,
        finalists: Sequence[PlanArm],
        references: Sequence[Feedback],
        grid: Grid,
    ) -> Any:
        """Refits each finalist on one half of the samples and runs it on the other half."""
        refits = []
        for arm in finalists:
            known = memory.runs.of(arm, references)
            halves = [[i for i in known if i % 2 == half] for half in (0, 1)]
            if not all(halves):
                continue
            plans = [refit(arm.plan, grid, [known[i] for i in half]) for half in halves]
            refits.append(
                memory.arm(arm.name + REFITTED, refit(arm.plan, grid, list(known.values())))
            )
            wanted = [(refits[-1], plans[i % 2 == 0], i) for i in sorted(known)]
            yield from self._try(memory, wanted, references)
        return refits


def _is_first(arm: PlanArm) -> bool:
    """Returns whether an arm is one of the candidates, and not made from a finalist."""
    return MOVED not in arm.name and not arm.name.endswith(REFITTED)
