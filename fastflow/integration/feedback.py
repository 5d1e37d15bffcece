"""Feedback: the errors of skips, observed at the model calls of a trajectory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """Holds the error of skipping from one computed step to another, observed at a model call.

    Args:
        step: the computed step k from which the skip starts.
        arm: the number m of skipped steps.
        landing: the computed step j = k + m + 1 where the model was called again.
        error: the loss between the velocity extrapolated to the landing and the model's.
        exposure: the sum over the skipped steps of ``|dsigma| (t - t_k) / (t_j - t_k)``: how much
            of the landing error entered the position (to first order; 0 for arm 0).
        taken: whether the skip happened; otherwise its error was evaluated although the steps in
            between were computed.
    """

    step: int
    arm: int
    landing: int
    error: float
    exposure: float
    taken: bool


@dataclass(frozen=True)
class Feedback:
    """Holds the feedback of one trajectory, from which a policy learns.

    Args:
        observations: the errors observed at its model calls, in the order of their landings.
        gram: ``(T, T)`` mean products of its velocities, if `FeedbackSpec.gram` asked for them;
            NaN for pairs with a jump in between or that were not both computed.
        velocities: its computed velocities by step, flat and on the host, if
            `FeedbackSpec.velocities` asked for them; large ones as a sketch.
    """

    observations: tuple[Observation, ...] = ()
    gram: np.ndarray | None = field(default=None, repr=False, compare=False)
    velocities: Mapping[int, Tensor] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Trajectory:
    """Holds the result of one run of the loop.

    Args:
        x: the latents at the last sigma, ``(B, ...)``.
        computed: the steps at which the model was called, in increasing order.
        feedback: what was observed at these calls.
    """

    x: Tensor
    computed: tuple[int, ...]
    feedback: Feedback


@dataclass(frozen=True, kw_only=True)
class FeedbackSpec:
    """States which feedback an episode needs from its trajectory.

    Args:
        loss: the name of the loss in which errors are measured: mse, relative_l2 or relative_l1.
        all_arms: whether to observe every arm that can be evaluated, including arm 0 and those of
            the lookback, and not only the skips that were taken.
        lookback: from how many earlier computed steps to observe, in addition to the last one;
            each costs the memory of one velocity.
        gram: whether to take the inner products of all pairs of computed velocities
            (`Feedback.gram`); costs the memory of every velocity until the end.
        velocities: whether to keep the velocities themselves (`Feedback.velocities`), large ones
            as a sketch; implies ``gram``.
        immediate: whether to call `Episode.observe` at each landing, which costs a device
            synchronisation.
        forced_steps: whether to call `Episode.wants_model` at forced steps too, where its answer
            has no effect.

    Raises:
        ValueError: if there is no loss of that name.
    """

    loss: str = "mse"
    all_arms: bool = False
    lookback: int = 0
    gram: bool = False
    velocities: bool = False
    immediate: bool = False
    forced_steps: bool = False

    def __post_init__(self):
        check_loss(self.loss)


class Past(NamedTuple):
    """Holds a computed velocity with its step and its sigma."""

    step: int
    t: float
    v: Tensor


class FeedbackCollector:
    """Collects the feedback of one trajectory on the device and reads it back at the end.

    Args:
        grid: the time grid.
        extrapolator: the extrapolator whose errors are measured.
        spec: which feedback to collect.
        over_rows: reduces the errors of the rows, ``(B,)``, to one.
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
        self.skips: list[tuple] = []  # (step, arm, landing, exposure, taken) of each error
        self.errors: list[Tensor] = []
        self.gram = Gram(grid.steps) if spec.gram or spec.velocities else None

    def land(self, j: int, v: Tensor, past: Sequence[Past]) -> tuple[Observation, ...]:
        """Takes the velocity of computed step j and the earlier ones, newest first.

        Returns:
            The observations of this landing if the spec is `immediate`, otherwise none.
        """
        before = len(self.skips)
        for i, p in enumerate(past[: 1 + self.spec.lookback]):
            arm, taken = j - p.step - 1, i == 0
            if self.spec.all_arms or (taken and arm):
                used = past[i : i + self.extrapolator.depth]
                weights = self.extrapolator.weights([q.t for q in used], self.grid.sigma[j])
                v_hat = combine(weights, [q.v for q in used])
                self.skips.append((p.step, arm, j, exposure(self.grid, p.step, j), taken))
                self.errors.append(self.over_rows(self.loss(v_hat, v)))
        if self.gram is not None:
            self.gram.take(j, v, continues=bool(past))
        if not self.spec.immediate:
            return ()
        return _read(self.skips[before:], self.errors[before:])

    def feedback(self) -> Feedback:
        """Returns all collected feedback, read back from the device."""
        observations = _read(self.skips, self.errors)
        if self.gram is None:
            return Feedback(observations)
        kept = self.gram.velocities() if self.spec.velocities else {}
        return Feedback(observations, self.gram.read(), kept)


def exposure(grid: Grid, k: int, j: int) -> float:
    """Returns how much of a velocity error at j entered x, if it grew linearly from 0 at k."""
    s = grid.sigma
    grown = (abs(s[i + 1] - s[i]) * (s[i] - s[k]) / (s[j] - s[k]) for i in range(k + 1, j))
    return sum(grown)


def _read(skips: Sequence[tuple], errors: Sequence[Tensor]) -> tuple[Observation, ...]:
    """Returns observations, whose errors are read back from the device in one transfer."""
    values = torch.stack(list(errors)).tolist() if errors else []
    return tuple(
        Observation(step, arm, j, error, exposed, taken)
        for (step, arm, j, exposed, taken), error in zip(skips, values, strict=True)
    )
