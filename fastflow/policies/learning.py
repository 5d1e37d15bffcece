"""What both drivers do with a policy, its scheme and their memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastflow.integration.episode import Episode, Scheme, Unskipped
from fastflow.integration.feedback import Feedback
from fastflow.integration.grid import Grid
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy


@dataclass(frozen=True)
class Learning:
    """Begins trajectories and learns from them.

    Args:
        policy: decides which steps are computed.
        scheme: the extrapolator and the corrector.
        model: identifies the model; memories of other models are refused.
    """

    policy: Policy
    scheme: Scheme
    model: str

    def empty(self, grid: Grid) -> Memory:
        """Returns a memory that has learned nothing, keyed by model, grid and components."""
        memory = self.policy.empty(grid)
        if memory.key is None and self.scheme.extrapolator.reference_runs:
            memory.key = {"steps": grid.steps, "grid": grid.digest}
        if memory.key is not None:
            memory.key |= self.key
        return memory

    @property
    def key(self) -> dict[str, Any]:
        """What a memory depends on, apart from the policy and the grid."""
        extrapolator, corrector = map(repr, self.scheme[:2])
        return {"model": self.model, "extrapolator": extrapolator, "corrector": corrector}

    def begin(self, grid: Grid, memory: Memory) -> tuple[Episode, Scheme]:
        """Returns the episode and the scheme of one trajectory.

        It is unskipped while the extrapolator has seen too few reference runs.

        Raises:
            ValueError: if the policy or the memory does not fit the grid.
        """
        episode = self.policy.begin(grid, memory)
        if self._lacks_runs(memory):
            spec = replace(episode.feedback_spec, gram=True)
            if isinstance(episode, Unskipped):
                episode.feedback_spec = spec
            else:
                episode = Unskipped(spec)
        fitted = memory.coefficients(self.scheme.extrapolator, grid)
        return episode, self.scheme._replace(coefficients=fitted)

    def learn(self, memory: Memory, feedback: Feedback) -> None:
        """Updates the memory with the feedback of one trajectory, unless it is frozen."""
        if memory.frozen:
            return
        runs = memory.gram.count
        self.policy.learn(memory, feedback)
        if memory.gram.count == runs:  # a policy of its own need not care about schemes
            memory.gram.add(feedback.gram)

    def samples_until_update(self, memory: Memory) -> int | None:
        """Returns how many samples may run before the next update; None if there is none."""
        return 1 if self._lacks_runs(memory) else self.policy.samples_until_update(memory)

    def _lacks_runs(self, memory: Memory) -> bool:
        return not memory.frozen and memory.gram.count < self.scheme.extrapolator.reference_runs
