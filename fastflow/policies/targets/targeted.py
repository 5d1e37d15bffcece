"""A policy with a target: on each time grid it computes as many steps as the target asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fastflow.integration.episode import Episode
from fastflow.integration.feedback import Feedback, Observation
from fastflow.integration.grid import Grid
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.policies.targets.target import Target
from fastflow.policies.trials import Trials


@dataclass(frozen=True, kw_only=True)
class Targeted(Policy):
    """Gives a policy the number of computed steps that a target asks for on each time grid.

    Its memory is that of the policy.

    Args:
        policy: a policy with the parameter ``computed_steps``.
        target: the target.
    """

    policy: Policy
    target: Target
    _on: dict[str, Policy] = field(default_factory=dict, repr=False, compare=False)

    def on(self, grid: Grid) -> Policy:
        """Returns the policy for one grid.

        Raises:
            ValueError: if the target cannot be had on this grid.
        """
        if grid.digest not in self._on:
            steps = self.target.steps(grid)
            self._on[grid.digest] = replace(self.policy, computed_steps=steps)
        return self._on[grid.digest]

    def _of(self, memory: Memory) -> Policy:
        """Returns the policy for the grid of a memory, if it has one and it was seen before."""
        return self._on.get((memory.key or {}).get("grid", ""), self.policy)

    def empty(self, grid: Grid) -> Memory:
        try:
            return self.on(grid).empty(grid)
        except ValueError:  # `begin` reports it
            return self.policy.empty(grid)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return self.on(grid).begin(grid, memory)

    def learn(self, memory: Memory, feedback: Feedback) -> None:
        self._of(memory).learn(memory, feedback)

    def rewards(self, memory: Memory, observations: Sequence[Observation]) -> list[float | None]:
        return self._of(memory).rewards(memory, observations)

    def trials(self, memory: Memory, grid: Grid, references: Sequence[Feedback]) -> Trials | None:
        return self.on(grid).trials(memory, grid, references)

    def are_audits(self, memory: Memory) -> bool:
        return self._of(memory).are_audits(memory)

    def learning_runs(self, grid: Grid) -> float:
        return self.on(grid).learning_runs(grid)

    def remarks(self, memory: Memory, grid: Grid) -> list[str]:
        return self.on(grid).remarks(memory, grid)

    def samples_until_update(self, memory: Memory) -> int | None:
        return self._of(memory).samples_until_update(memory)


def resolved(policy: Policy, grid: Grid) -> Policy:
    """Returns the policy that a grid is run with: that of a `Targeted` with its number of steps.

    Raises:
        ValueError: if a target cannot be had on this grid.
    """
    return policy.on(grid) if isinstance(policy, Targeted) else policy


def aimed(policy: Policy, target: Target) -> Policy:
    """Returns a policy with a target, for grids of any number of steps.

    Raises:
        ValueError: if the policy has no parameter for the target.
    """
    target.check_policy(policy)
    if target.max_error is not None:
        return replace(policy, max_error=target.max_error)
    return Targeted(policy=policy, target=target)
