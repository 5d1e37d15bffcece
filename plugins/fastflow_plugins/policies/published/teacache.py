"""TeaCache's rule: skip while the network's modulated input has changed little in total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fastflow.integration import Episode, FeedbackSpec, Grid, StepContext
from fastflow.policies import Memory, Policy
from fastflow.sampling import NoProbe, Recording

DEGREE = 4


@dataclass(frozen=True, kw_only=True)
class TeaCache(Policy):
    """Skips while the accumulated, rescaled change of the first block's input is small.

    ``acc += poly(|m_k - m_{k-1}|_1 / |m_{k-1}|_1)`` over consecutive steps, skipped ones included.
    The model is called, and acc reset to zero, once acc reaches the threshold, and at the first
    and the last step. Skipped velocities come from the extrapolator; the published method, which
    reuses the residual of all blocks instead, is the method `teacache`. Needs a model with a
    probe; without one every step is computed. Reference: https://arxiv.org/abs/2411.19108.

    Args:
        threshold: the accumulated change at which the model is called again.
        coefficients: of the polynomial that turns a change of the input into one of the output,
            highest power first; ``fastflow calibrate teacache`` fits them for a model.
    """

    needs_probe: ClassVar[bool] = True
    threshold: float = 0.4
    coefficients: tuple[float, ...] = (1.0, 0.0)

    def __post_init__(self):
        object.__setattr__(self, "coefficients", tuple(self.coefficients))
        if not self.threshold >= 0:
            raise ValueError(f"`threshold` must be 0 or more, got {self.threshold}.")
        if not self.coefficients or not np.isfinite(self.coefficients).all():
            raise ValueError(
                "`coefficients` must be one or more finite numbers, got "
                f"{list(self.coefficients)}."
            )

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return Accumulating(Change(self.threshold, self.coefficients))

    def calibrated(self, recording: Recording) -> TeaCache:
        """Fits the polynomial, from the probe's change to the velocity's, by least squares.

        It is of degree 4 and fitted to all steps of all trajectories, as in section 3.3 of the
        paper.
        """
        signals, velocities = changes(recording)
        distinct = len(np.unique(signals))
        if distinct <= DEGREE:
            raise ValueError(
                f"a polynomial of degree {DEGREE} needs {DEGREE + 1} or more different changes of "
                f"the probe, but {distinct} were recorded. Use more steps or more samples."
            )
        return replace(self, coefficients=tuple(np.polyfit(signals, velocities, DEGREE).tolist()))

    def quality(self, recording: Recording) -> dict[str, float]:
        signals, velocities = changes(recording)
        residual = np.square(velocities - np.polyval(self.coefficients, signals)).sum()
        variance = np.square(velocities - velocities.mean()).sum()
        return {"R^2": float(1 - residual / variance), "points": len(signals)}


class Accumulating(Episode):
    """Measures the signal at every step, and calls the model once it has changed enough."""

    def __init__(self, change: Change):
        super().__init__(FeedbackSpec(forced_steps=True))
        self.change = change

    def wants_model(self, context: StepContext) -> bool:
        signal = context.probe()
        if signal is None:
            return True
        return self.change.is_large(signal, forced=context.grid.is_forced(context.index))


class Change:
    """Accumulates the change of a signal until it is large, then starts from zero.

    Args:
        threshold: the accumulated change that is large.
        coefficients: of the polynomial on the relative L1 change, highest power first.
    """

    def __init__(self, threshold: float, coefficients: Sequence[float]):
        self.threshold, self.rescale = threshold, np.poly1d(coefficients)
        self.total = 0.0
        self.last: Tensor | None = None

    def is_large(self, signal: Tensor, forced: bool) -> bool:
        """Adds the signal of the next step and returns whether the change is large there.

        Args:
            signal: of any shape, the same at every step.
            forced: whether the model is called in any case; the change then counts as large.
        """
        if self.last is not None and not forced:
            self.total += float(self.rescale(relative_change(signal, self.last)))
        self.last = signal
        if not forced and self.total < self.threshold:
            return False
        self.total = 0.0
        return True


def relative_change(signal: Tensor, last: Tensor) -> float:
    """Returns ``mean |signal - last| / mean |last|``; synchronises with the device."""
    return float((signal - last).abs().mean() / last.abs().mean())


def changes(recording: Recording) -> np.ndarray:
    """Returns the relative L1 changes of probe and velocity from step to step, ``(2, n)``.

    Raises:
        NoProbe: if the recorded model has no probe.
    """
    trajectories = recording.trajectories.values()
    if not any(trajectory.has_probe for trajectory in trajectories):
        raise NoProbe(
            "this model has no probe, so TeaCache's rule cannot be fitted to it. Give its "
            "transformer one in the hook `fastflow_probes`."
        )
    found = [change for trajectory in trajectories for change in trajectory.changes]
    return torch.stack(found, dim=1).cpu().double().numpy() if found else np.empty((2, 0))
