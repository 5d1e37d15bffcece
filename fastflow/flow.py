"""The loop, written once: a generator that never calls a model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastflow.extrapolator import Extrapolator, combine, widen
from fastflow.gram import Gram
from fastflow.grid import Grid
from fastflow.loss import LOSSES
from fastflow.policy import Episode, Now, Scheme
from fastflow.records import Lesson, Observation, Trajectory

Advance = Callable[[Tensor, Tensor, Tensor], Tensor]


class Step:
    """One time step, offered to the driver: it asks for the decision, then answers.

    Attributes:
        k: the step's index.
        x: the latents at ``sigmas[k]``, ``(B, ...)``.
        is_jump: whether a new piece of the velocity begins here.
    """

    __slots__ = ("_episode", "_forced", "is_jump", "k", "now", "x")

    def __init__(self, k: int, x: Tensor, now: Now, episode: Episode):
        self.k, self.x, self.now, self._episode = k, x, now, episode
        self._forced, self.is_jump = now.grid.is_forced(k), k in now.grid.jumps

    def jump(self) -> None:
        """Tells of a jump in the velocity that the grid did not know of; before the decision."""
        self._forced = self.is_jump = True

    def wants_model(self, probe: Callable[[], Tensor | None] | None = None) -> bool:
        """Decides whether the model is called; ask once per step.

        Args:
            probe: gives the model's cheap look at x, if the policy wants it.
        """
        if self._forced and not self._episode.attends:
            return True
        self.now.look = probe
        return self._episode.wants_model(self.now) or self._forced


class Past(NamedTuple):
    """A computed velocity: its step, its sigma, the velocity."""

    step: int
    t: float
    v: Tensor


def flow(
    x: Tensor,
    grid: Grid,
    scheme: Scheme,
    episode: Episode,
    advance: Advance,
    *,
    key: tuple[int, int] = (0, 0),
    over_rows: Callable[[Tensor], Tensor] = torch.mean,
) -> Generator[Step, tuple[Tensor, Tensor | None], Trajectory]:
    """Integrates dx/dsigma = v(x, sigma) from noise to data over the grid.

    Yields a `Step` per time step and takes back ``(x, v)``: the driver's latents, and the model's
    velocity there, or None to have it extrapolated. At a landing (a computed step after skipped
    ones) the corrector may move x by what the new velocity says about the skipped ones. Nothing is
    extrapolated, observed or corrected across a jump.

    Args:
        x: latents ``(B, ...)`` at ``grid.sigmas[0]``, the noise end.
        grid: the time grid.
        scheme: predicts the velocities of skipped steps, and mends x at landings.
        episode: decides which steps are computed.
        advance: the model's Euler step ``(x, v, dsigma) -> x``, with its rules for dtypes.
        key: (run seed, sample index): seeds the episode's random draws.
        over_rows: makes one error of the rows' errors ``(B,)``.

    Raises:
        RuntimeError: if the driver answers a step that has to be computed without a velocity.
    """
    extrapolator, corrector = scheme
    keep = max(extrapolator.depth, corrector.depth - 1) + episode.lookback
    past: list[Past] = []
    gap: list[tuple[int, tuple[float, ...]]] = []  # skipped steps with their weights
    computed: list[int] = []
    learned = Learned(grid, extrapolator, episode, over_rows)
    for k in range(grid.steps):
        step = Step(k, x, Now(grid, k, len(gap), key, scheme), episode)
        x, v = yield step
        if step.is_jump:
            past.clear()
            gap.clear()
        if v is None:
            if not past or grid.is_forced(k):
                raise RuntimeError(f"step {k} has to be computed, but no velocity was given.")
            weights = extrapolator.weights(
                [p.t for p in past[: extrapolator.depth]], grid.sigma[k]
            )
            v = combine(weights, [p.v for p in past])
            gap.append((k, weights))
        else:
            learned.land(k, v, past)
            if gap and corrector.depth:
                x = _correct(x, v, grid.sigma, k, past, gap, corrector)
            gap.clear()
            computed.append(k)
            past.insert(0, Past(k, grid.sigma[k], v))
            del past[max(keep, episode.gram) :]
        x = advance(x, v, grid.dsigmas[k])
    return Trajectory(x, tuple(computed), learned.lesson())


class Learned:
    """What a trajectory teaches while it goes on, kept on the device and read at its end."""

    def __init__(self, grid: Grid, extrapolator: Extrapolator, episode: Episode, over_rows):
        self.grid, self.extrapolator, self.episode = grid, extrapolator, episode
        self.loss, self.over_rows = LOSSES[episode.loss], over_rows
        self.facts: list[tuple] = []
        self.errors: list[Tensor] = []
        self.gram = Gram(grid.steps) if episode.gram else None

    def land(self, j: int, v: Tensor, past: Sequence[Past]) -> None:
        """Takes the velocity of a computed step and what came before it, newest first."""
        before = len(self.facts)
        for i, p in enumerate(past[: 1 + self.episode.lookback]):
            arm, taken = j - p.step - 1, i == 0
            if self.episode.learns or (taken and arm):
                known = past[i : i + self.extrapolator.depth]
                weights = self.extrapolator.weights([q.t for q in known], self.grid.sigma[j])
                v_hat = combine(weights, [q.v for q in known])
                self.facts.append((p.step, arm, j, exposure(self.grid, p.step, j), taken))
                self.errors.append(self.over_rows(self.loss(v_hat, v)))
        if self.episode.watches and len(self.facts) > before:
            self.episode.observe(_read(self.facts[before:], self.errors[before:]))
        if self.gram is not None:
            self.gram.take(j, v, [(p.step, p.v) for p in past[: self.episode.gram]])

    def lesson(self) -> Lesson:
        """Reads everything back from the device."""
        gram = None if self.gram is None else self.gram.read()
        return Lesson(_read(self.facts, self.errors), gram)


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
