"""What the model's calls show about skipped steps: observations, collected along a trajectory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastflow.integration.extrapolator import Extrapolator, combine
from fastflow.integration.gram import Gram
from fastflow.integration.grid import Grid
from fastflow.integration.losses import LOSSES, check_loss


@dataclass(frozen=True)
class Observation:
    """What a model call taught: the error of having skipped from one computed step to another.

    Args:
        step: the computed step k that the skip starts from.
        arm: the number m of skipped steps.
        landing: the computed step j = k + m + 1 where the model was called again.
        error: the loss between the velocity extrapolated to the landing and the model's.
        exposure: the sum over the skipped steps of ``|dsigma| (t - t_k) / (t_j - t_k)``: how much
            of the landing error entered the position (to first order; 0 for arm 0).
        taken: whether the skip really happened, or is known only because more was computed.
    """

    step: int
    arm: int
    landing: int
    error: float
    exposure: float
    taken: bool


@dataclass(frozen=True)
class Feedback:
    """What one trajectory taught.

    Args:
        observations: the errors that its model calls showed, in the order of their landings.
        gram: ``(T, T)`` mean products of its velocities, if the episode asked for them; NaN for
            pairs that were too far apart or not both computed.
    """

    observations: tuple[Observation, ...] = ()
    gram: np.ndarray | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Trajectory:
    """What one run of the loop gives back.

    Args:
        x: the latents at the last sigma, ``(B, ...)``.
        computed: the steps at which the model was called, rising.
        lesson: what the calls taught.
    """

    x: Tensor
    computed: tuple[int, ...]
    feedback: Feedback


@dataclass(frozen=True, kw_only=True)
class FeedbackSpec:
    """States what an episode wants to be told about its trajectory.

    Args:
        loss: the name of the loss that errors are measured in.
        all_arms: whether errors are wanted of every arm that can be evaluated, arm 0 and the
            lookback's included, and not only of the skips that were taken.
        lookback: how many earlier computed steps to observe in addition to the last one; each
            costs the memory of one velocity.
        gram: over how many earlier computed velocities inner products are taken (`Feedback.gram`);
            0 takes none. Each costs the memory of one velocity.
        immediate: whether `Episode.observe` is called at each landing, at the price of a device
            synchronisation.
        forced_steps: whether the episode is asked also where a call is forced; its answer there
            has no effect.
    """

    loss: str = "mse"
    all_arms: bool = False
    lookback: int = 0
    gram: int = 0
    immediate: bool = False
    forced_steps: bool = False

    def __post_init__(self):
        check_loss(self.loss)


class Past(NamedTuple):
    """A computed velocity: its step, its sigma, the velocity."""

    step: int
    t: float
    v: Tensor


class FeedbackCollector:
    """Collects what the calls of one trajectory show, on the device, and reads it at the end.

    Args:
        grid: the time grid.
        extrapolator: whose predictions are judged.
        spec: what is wanted.
        over_rows: makes one error of the rows' errors ``(B,)``.
    """

    def __init__(
        self,
        grid: Grid,
        extrapolator: Extrapolator,
        spec: FeedbackSpec,
        over_rows: Callable[[Tensor], Tensor],
    ):
        self.grid, self.extrapolator, self.spec = grid, extrapolator, spec
        self.loss, self.over_rows = LOSSES[spec.loss], over_rows
        self.facts: list[tuple] = []
        self.errors: list[Tensor] = []
        self.gram = Gram(grid.steps) if spec.gram else None

    def land(self, j: int, v: Tensor, past: Sequence[Past]) -> tuple[Observation, ...]:
        """Takes the velocity of a computed step and what came before it, newest first.

        Returns:
            What it shows, if it is wanted at once; otherwise nothing.
        """
        before = len(self.facts)
        for i, p in enumerate(past[: 1 + self.spec.lookback]):
            arm, taken = j - p.step - 1, i == 0
            if self.spec.all_arms or (taken and arm):
                known = past[i : i + self.extrapolator.depth]
                weights = self.extrapolator.weights([q.t for q in known], self.grid.sigma[j])
                v_hat = combine(weights, [q.v for q in known])
                self.facts.append((p.step, arm, j, exposure(self.grid, p.step, j), taken))
                self.errors.append(self.over_rows(self.loss(v_hat, v)))
        if self.gram is not None:
            self.gram.take(j, v, [(p.step, p.v) for p in past[: self.spec.gram]])
        if not self.spec.immediate:
            return ()
        return _read(self.facts[before:], self.errors[before:])

    def feedback(self) -> Feedback:
        """Reads everything back from the device."""
        gram = None if self.gram is None else self.gram.read()
        return Feedback(_read(self.facts, self.errors), gram)


def exposure(grid: Grid, k: int, j: int) -> float:
    """Returns how much of a velocity error at j entered x, if it grew evenly from 0 at k."""
    s = grid.sigma
    grown = (abs(s[i + 1] - s[i]) * (s[i] - s[k]) / (s[j] - s[k]) for i in range(k + 1, j))
    return sum(grown)


def _read(facts: Sequence[tuple], errors: Sequence[Tensor]) -> tuple[Observation, ...]:
    """Reads the errors back from the device, all at once."""
    values = torch.stack(list(errors)).tolist() if errors else []
    return tuple(
        Observation(step, arm, j, error, exposed, taken)
        for (step, arm, j, exposed, taken), error in zip(facts, values, strict=True)
    )
