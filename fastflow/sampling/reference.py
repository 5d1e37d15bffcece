"""The reference run, which computes every step and with which all others are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastflow.integration.corrector import NoCorrection
from fastflow.integration.episode import Episode, Unskipped
from fastflow.integration.extrapolator import Reuse
from fastflow.integration.feedback import FeedbackSpec
from fastflow.integration.grid import Grid
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.sampling.model import FlowModel
from fastflow.sampling.request import Request
from fastflow.sampling.sampler import Sampler


@dataclass(frozen=True, kw_only=True)
class Reference(Policy):
    """Computes every step, and measures its velocities on request.

    Args:
        changes: whether to measure the relative L1 change of the velocity from step to step.
        gram: whether to take the inner products of all pairs of velocities.
        velocities: whether to keep the velocities.
    """

    changes: bool = False
    gram: bool = False
    velocities: bool = False

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        spec = FeedbackSpec(
            loss="relative_l1",
            all_arms=self.changes,
            gram=self.gram,
            velocities=self.velocities,
        )
        return Unskipped(spec)


def reference_sampler(
    model: FlowModel, policy: Reference | None = None, max_batch: int = 8
) -> Sampler:
    """Returns a sampler that never skips.

    Args:
        model: the loaded model.
        policy: states what to measure; nothing if None.
        max_batch: the largest number of samples at a time.
    """
    policy = policy or Reference()
    return Sampler(model, policy, Reuse(), NoCorrection(), Memory(), max_batch=max_batch)


def warm_up(model: FlowModel, request: Request, max_batch: int) -> None:
    """Runs two steps of a batch, so that the cost of first calls is in no measured time."""
    batch = [replace(request, steps=2) for _ in range(max_batch)]
    for _ in reference_sampler(model, max_batch=max_batch).generate(batch):
        pass
