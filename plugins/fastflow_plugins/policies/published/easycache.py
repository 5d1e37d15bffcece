"""EasyCache's rule: skip while the change predicted from that of the latents is small."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fastflow.integration import Episode, FeedbackSpec, Grid, StepContext
from fastflow.policies import Memory, Policy
from fastflow_plugins.policies.published.history import ComputedStep, History


@dataclass(frozen=True, kw_only=True)
class EasyCache(Policy):
    """Skips while the accumulated change of the velocity, as the latents predict it, is small.

    The published rule watches the network's own input and output; here these are the latents and
    the whole (guided) velocity. It adds the network's last output minus input to the new input,
    which for velocities is the extrapolator `offset`; any other one can be used.

    ``acc += rate |x_k - x_{k-1}|_1 / |v|_1`` over consecutive steps, where v is the last computed
    velocity, and ``rate = |v - v_p|_1 / |x - x_p|_1`` between the last two computed steps. The
    model is called, and acc reset to zero, once acc reaches the threshold, at the first steps,
    and at the last one. Reference: https://arxiv.org/abs/2507.02860.

    Args:
        threshold: the accumulated change at which the model is called again.
        first: how many of the first steps are all computed; the public code has 5 for
            HunyuanVideo.
    """

    threshold: float = 0.05
    first: int = 5

    def __post_init__(self):
        if not self.threshold >= 0:
            raise ValueError(f"`threshold` must be 0 or more, got {self.threshold}.")
        if self.first < 1:
            raise ValueError(f"`first` must be 1 or more, got {self.first}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return Predicting(self)


class Predicting(Episode):
    """Predicts the change of the velocity at every step, and calls the model once it is large."""

    def __init__(self, policy: EasyCache):
        super().__init__(FeedbackSpec(forced_steps=True))
        self.policy, self.history, self.total = policy, History(), 0.0

    def wants_model(self, context: StepContext) -> bool:
        previous = self.history.see(context)
        last, before = self.history.last, self.history.before
        early = context.index < self.policy.first or context.grid.is_forced(context.index)
        if not early and previous is not None and last is not None and before is not None:
            moved = mean_size(context.x - previous.x)
            self.total += transformation_rate(last, before) * moved / mean_size(last.v)
            if self.total < self.policy.threshold:
                return False
        self.total = 0.0
        return True


def transformation_rate(last: ComputedStep, before: ComputedStep) -> float:
    """Returns how much the velocity changed per change of the latents between two steps."""
    return mean_size(last.v - before.v) / mean_size(last.x - before.x)


def mean_size(x: Tensor) -> float:
    """Returns the mean of ``|x|``; synchronises with the device."""
    return float(x.abs().mean(dtype=None if x.itemsize >= 4 else x.float().dtype))
