"""The memory of halving: the table of arms and the plan in use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastflow.planning import LinearPlan, PlanArm, arms_as_text
from fastflow.policies import Memory, TrialResult, checked_count
from fastflow_plugins.policies.plans.live_runs import LiveRuns


@dataclass
class HalvingMemory(Memory):
    """Holds the table of arms and the plan that was chosen.

    Attributes:
        arms: the plans with their errors.
        chosen: the plan in use; None before the trials.
        chosen_after: after how many samples it was first chosen.
        audits: how many audits there were since.
        runs: what the trials have shown so far, until they are finished.
        first: the plan that is followed before the trials, by what it was made for.
    """

    arms: list[PlanArm] = field(default_factory=list)
    chosen: LinearPlan | None = None
    chosen_after: int = 0
    audits: int = 0
    runs: LiveRuns = field(default_factory=LiveRuns, repr=False)
    first: dict[tuple, LinearPlan] = field(default_factory=dict, repr=False, compare=False)

    def arm(self, name: str, plan: LinearPlan) -> PlanArm:
        """Returns the arm of that name; a new one, with the plan, if there is none."""
        found = [arm for arm in self.arms if arm.name == name]
        if not found:
            found = [PlanArm(name, plan)]
            self.arms += found
        return found[0]

    def survivors(self) -> list[PlanArm]:
        """Returns the plan in use and the three others that were tried most and are best."""
        ranked = sorted(self.arms, key=lambda arm: (-len(arm.errors), arm.score()))
        others = [arm for arm in ranked if arm.plan != self.chosen]
        return [*(arm for arm in ranked if arm.plan == self.chosen), *others[:3]]

    def take(self, arm: PlanArm, reference: int, answer: TrialResult) -> None:
        """Adds the result of one trial."""
        arm.add(reference, answer.error)
        self.learning_calls += answer.calls

    def merge(self, other: Memory) -> None:
        """Adds another table; the plan with the better score over more samples is kept."""
        samples = self.samples
        super().merge(other)
        other = halving_memory(other)
        self.audits += other.audits
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
        if self.chosen is not None and self.audits == 0:
            self.chosen_after = self.samples

    def to_dict(self) -> dict[str, Any]:
        chosen = None if self.chosen is None else self.chosen.to_dict()
        arms = [arm.to_dict() for arm in self.arms]
        own = {"chosen": chosen, "chosen_after": self.chosen_after, "audits": self.audits}
        runs = {} if self.chosen else {"runs": self.runs.to_dict()}
        return super().to_dict() | own | {"arms": arms} | runs

    def load_dict(self, content: dict[str, Any]) -> None:
        super().load_dict(content)
        chosen = content["chosen"]
        self.chosen = None if chosen is None else LinearPlan.from_dict(chosen)
        self.chosen_after = checked_count("chosen_after", content["chosen_after"])
        self.audits = checked_count("audits", content["audits"])
        self.arms = [PlanArm.from_dict(arm) for arm in content["arms"]]
        self.runs = LiveRuns.from_dict(content.get("runs") or {})
        for plan in (*(arm.plan for arm in self.arms), *([self.chosen] if self.chosen else ())):
            check_steps(plan, (self.key or {}).get("steps"))

    def summary(self) -> str:
        """Returns the table of arms."""
        if self.chosen is None:
            tried = sum(len(arm.errors) for arm in self.arms)
            trials = f"; {tried} trials run, not finished" if tried else ""
            return f"no plan yet; {self.samples} samples seen{trials}"
        head = (
            f"plan chosen from {len(self.arms)} by live runs (*), on {self.gram.count} reference "
            f"runs; {self.learning_calls} network calls to learn it"
        )
        return "\n".join([head, *arms_as_text(self.arms, self.chosen)])


def check_steps(plan: LinearPlan, steps: int | None) -> None:
    """Raises a ValueError if a stored plan computes steps that its grid does not have."""
    if steps is not None and plan.nodes[-1] >= steps:
        raise ValueError(f"`nodes` must be below {steps}, the number of steps, got {plan.nodes}.")


def halving_memory(memory: Memory) -> HalvingMemory:
    """Returns the memory if it is one of `Halving`; raises a ValueError otherwise."""
    if not isinstance(memory, HalvingMemory):
        raise ValueError("`memory` is not halving's: make one with `policy.empty(grid)`.")
    return memory
