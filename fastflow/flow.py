"""The loop, written once: a generator that never calls a model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastflow.corrector import Corrector
from fastflow.extrapolator import Extrapolator, combine, widen
from fastflow.grid import Grid
from fastflow.loss import LOSSES
from fastflow.policy import Episode, Now
from fastflow.records import Observation, Trajectory

Advance = Callable[[Tensor, Tensor, Tensor], Tensor]


class Step:
    """One time step, offered to the driver: it asks for the decision, then answers.

    Attributes:
        k: the step's index.
        x: the latents at ``sigmas[k]``, ``(1, ...)``.
    """

    __slots__ = ("_episode", "_forced", "k", "now", "x")

    def __init__(self, k: int, x: Tensor, now: Now, episode: Episode, forced: bool):
        self.k, self.x, self.now = k, x, now
        self._episode, self._forced = episode, forced

    def wants_model(self, probe: Callable[[], Tensor | None] | None = None) -> bool:
        """Decides whether the model is called; ask once per step.

        Args:
            probe: gives the model's cheap look at x, if the policy wants it.
        """
        if self._forced:
            return True
        self.now.look = probe
        return self._episode.wants_model(self.now)


class Past(NamedTuple):
    """A computed velocity: its step, its sigma, the velocity."""

    step: int
    t: float
    v: Tensor


def flow(
    x: Tensor,
    grid: Grid,
    extrapolator: Extrapolator,
    corrector: Corrector,
    episode: Episode,
    advance: Advance,
    *,
    key: tuple[int, int] = (0, 0),
) -> Generator[Step, tuple[Tensor, Tensor | None], Trajectory]:
    """Integrates dx/dsigma = v(x, sigma) from noise to data over the grid.

    Yields a `Step` per time step and takes back ``(x, v)``: the driver's latents, and the model's
    velocity there, or None to have it extrapolated. At a landing (a computed step after skipped
    ones) the corrector may move x by what the new velocity says about the skipped ones.

    Args:
        x: latents ``(1, ...)`` at ``grid.sigmas[0]``, the noise end.
        grid: the time grid.
        extrapolator: predicts the velocities of skipped steps.
        corrector: mends x at landings.
        episode: decides which steps are computed.
        advance: the model's Euler step ``(x, v, dsigma) -> x``, with its rules for dtypes.
        key: (run seed, sample index): seeds the episode's random draws.

    Raises:
        RuntimeError: if the driver answers a step that has to be computed without a velocity.
    """
    loss, sigma = LOSSES[episode.loss], grid.sigma
    keep = max(extrapolator.depth, corrector.depth - 1) + episode.lookback
    past: list[Past] = []
    gap: list[tuple[int, tuple[float, ...]]] = []  # skipped steps with their weights
    computed: list[int] = []
    facts, errors = [], []
    for k in range(grid.steps):
        forced = grid.is_forced(k)
        x, v = yield Step(k, x, Now(grid, k, len(gap), key), episode, forced)
        if v is None:
            if forced:
                raise RuntimeError(f"step {k} has to be computed, but no velocity was given.")
            weights = extrapolator.weights([p.t for p in past[: extrapolator.depth]], sigma[k])
            v = combine(weights, [p.v for p in past])
            gap.append((k, weights))
        else:
            seen = _observe(k, v, past, grid, extrapolator, loss, episode)
            facts += [fact for fact, _ in seen]
            errors += [error for _, error in seen]
            if seen and episode.watches:
                episode.observe(_read(facts[-len(seen) :], errors[-len(seen) :]))
            if gap and corrector.depth:
                x = _correct(x, v, sigma, k, past, gap, corrector)
            gap.clear()
            computed.append(k)
            past.insert(0, Past(k, sigma[k], v))
            del past[keep:]
        x = advance(x, v, grid.dsigmas[k])
    return Trajectory(x, tuple(computed), _read(facts, errors))


def _observe(j, v, past, grid, extrapolator, loss, episode) -> list[tuple[tuple, Tensor]]:
    """Compares v at the landing j with what each remembered step would have extrapolated."""
    seen = []
    for i, p in enumerate(past[: 1 + episode.lookback]):
        arm = j - p.step - 1
        taken = i == 0
        if not episode.learns and not (taken and arm):
            continue
        known = past[i : i + extrapolator.depth]
        weights = extrapolator.weights([q.t for q in known], grid.sigma[j])
        v_hat = combine(weights, [q.v for q in known])
        seen.append(((p.step, arm, j, exposure(grid, p.step, j), taken), loss(v_hat, v)))
    return seen


def exposure(grid: Grid, k: int, j: int) -> float:
    """Returns how much of a velocity error at j entered x, if it grew evenly from 0 at k."""
    s = grid.sigma
    grown = (abs(s[i + 1] - s[i]) * (s[i] - s[k]) / (s[j] - s[k]) for i in range(k + 1, j))
    return sum(grown)


def _correct(x, v, sigma, j, past, gap, corrector) -> Tensor:
    """Adds to x the sum over skipped steps of dsigma (v_corrected - v_extrapolated)."""
    nodes = [sigma[j], *(p.t for p in past)][: corrector.depth]
    total = [0.0] * (1 + len(past))
    for i, extrapolated in gap:
        dsigma = sigma[i + 1] - sigma[i]
        for n, w in enumerate(corrector.weights(nodes, sigma[i])):
            total[n] += dsigma * w
        for n, w in enumerate(extrapolated, start=1):
            total[n] -= dsigma * w
    shift = combine(total, [widen(v), *(p.v for p in past)])
    return (widen(x) + shift).to(x.dtype)


def _read(facts: Sequence[tuple], errors: Sequence[Tensor]) -> tuple[Observation, ...]:
    """Reads the errors back from the device, all at once."""
    values = torch.stack(list(errors)).tolist() if errors else []
    return tuple(
        Observation(step, arm, j, error, exposed, taken)
        for (step, arm, j, exposed, taken), error in zip(facts, values, strict=True)
    )
