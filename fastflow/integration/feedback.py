"""Feedback: the errors of skips, observed at the model calls of a trajectory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator, combine, lagrange
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
        remaining: how much of the landing error remains in the position after the correction, by
            the roots of the polynomial errors (`remaining`); None if that is not known.
        sigma: the time at which the skip starts, 1 is noise; None if that is not known.
        features: what the policy noted about the choice at the step, as numbers by name
            (`Episode.features`); empty if nothing.
    """

    step: int
    arm: int
    landing: int
    error: float
    exposure: float
    taken: bool
    remaining: float | None = None
    sigma: float | None = None
    features: Mapping[str, float] = field(default_factory=dict, hash=False)


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
        side: whether to observe at a landing, as side observations, also the shorter skips from
            the same step: the velocity where they would have landed is interpolated.
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
    side: bool = False
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
        corrector: the corrector at landings.
        features: what the policy notes about the choice at each computed step; it may grow.
    """

    def __init__(
        self,
        grid: Grid,
        extrapolator: Extrapolator,
        spec: FeedbackSpec,
        over_rows: Callable[[Tensor], Tensor],
        corrector: Corrector,
        features: Mapping[int, Mapping[str, float]] = MappingProxyType({}),
    ):
        self.grid, self.extrapolator, self.spec = grid, extrapolator, spec
        self.corrector, self.features = corrector, features
        self.loss, self.over_rows = LOSSES[spec.loss], over_rows
        self.skips: list[Callable[[float], Observation]] = []  # each waits for its error
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
                self._take(j, v, past[i : i + self.extrapolator.depth], taken)
        if self.spec.side and past:
            self._take_shorter(j, v, past[: self.extrapolator.depth])
        if self.gram is not None:
            self.gram.take(j, v, continues=bool(past))
        if not self.spec.immediate:
            return ()
        return _read(self.skips[before:], self.errors[before:])

    def _take(self, j: int, v: Tensor, used: Sequence[Past], taken: bool) -> None:
        """Takes the error of extrapolating from ``used``, newest first, to the velocity of j."""
        k, times = used[0].step, [p.t for p in used]
        weights = self.extrapolator.weights(times, self.grid.sigma[j])
        v_hat = combine(weights, [p.v for p in used])
        left = remaining(self.grid, k, j, times, self.corrector)
        skip, exposed, sigma = (k, j - k - 1, j), exposure(self.grid, k, j), self.grid.sigma[k]
        noted = self.features.get(k, {})
        self.skips.append(
            lambda error: Observation(*skip, error, exposed, taken, left, sigma, noted)
        )
        self.errors.append(self.over_rows(self.loss(v_hat, v)))

    def _take_shorter(self, j: int, v: Tensor, used: Sequence[Past]) -> None:
        """Takes the errors that the skipped steps before j would have shown as landings.

        The velocities there are those of the polynomial through the velocities that were
        extrapolated and the landing's.
        """
        times, known = [self.grid.sigma[j], *(p.t for p in used)], [v, *(p.v for p in used)]
        for i in range(used[0].step + 1, j):
            there = combine(lagrange(times, self.grid.sigma[i]), known)
            self._take(i, there, used, taken=False)

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


def remaining(grid: Grid, k: int, j: int, used: Sequence[float], corrector: Corrector) -> float:
    """Returns how much of a velocity error at j remains in x after the correction.

    The error of a polynomial grows as the product of the distances to its nodes. After the
    correction the landing is a node in place of the oldest one. So the result does not depend on
    how long the skip before was, although the landing's error does. Without a correction, or with
    a single node, nothing changes but the growth.

    Args:
        grid: the time grid.
        k: the computed step before the skip.
        j: the landing.
        used: the sigmas of the velocities that were extrapolated, newest first.
        corrector: the corrector at the landing.
    """
    s, nodes = grid.sigma, list(used)
    if corrector.depth and len(nodes) > 1:
        nodes = [s[j], *nodes[:-1]]
    at_landing = math.prod(abs(s[j] - t) for t in used)
    grown = (
        abs(s[i + 1] - s[i]) * math.prod(abs(s[i] - t) for t in nodes) for i in range(k + 1, j)
    )
    return sum(grown) / at_landing


def _read(
    skips: Sequence[Callable[[float], Observation]], errors: Sequence[Tensor]
) -> tuple[Observation, ...]:
    """Returns observations, whose errors are read back from the device in one transfer."""
    values = torch.stack(list(errors)).tolist() if errors else []
    return tuple(observed(error) for observed, error in zip(skips, values, strict=True))
