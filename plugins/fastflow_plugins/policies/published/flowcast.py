"""FlowCast's rule: the velocity is taken as constant while a test of its error passes."""

from __future__ import annotations

from dataclasses import dataclass

from fastflow.integration import Episode, FeedbackSpec, Grid, StepContext
from fastflow.policies import Memory, Policy
from fastflow_plugins.policies.published.history import History


@dataclass(frozen=True, kw_only=True)
class FlowCast(Policy):
    """Skips while the mean squared error of a constant velocity is below a threshold.

    The published method computes the velocities of all drafted steps, in one parallel call, and
    accepts the drafts before the first error that is too large. At equal numbers of calls this
    saves nothing, because every drafted step is computed. Here the error is therefore predicted,
    as if the velocity went on along the line through the last two computed ones:
    ``(t - t_k)^2 / (t_k - t_p)^2 mean (v_k - v_p)^2``. The published draft is the extrapolator
    `reuse`. Reference: https://arxiv.org/abs/2602.01329.

    Args:
        threshold: the predicted mean squared error, in units of the velocity's square, at which
            the model is called again.
    """

    threshold: float = 0.01

    def __post_init__(self):
        if not self.threshold >= 0:
            raise ValueError(f"`threshold` must be 0 or more, got {self.threshold}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return Drafting(self.threshold)


class Drafting(Episode):
    """Accepts the last velocity as a draft while its predicted error is small."""

    def __init__(self, threshold: float):
        super().__init__(FeedbackSpec(forced_steps=True))
        self.threshold, self.history = threshold, History()

    def wants_model(self, context: StepContext) -> bool:
        self.history.see(context)
        last, before = self.history.last, self.history.before
        if last is None or before is None:
            return True
        ahead = (context.sigma - last.t) / (last.t - before.t)
        change = float((last.v - before.v).double().square().mean())
        return not ahead**2 * change < self.threshold
