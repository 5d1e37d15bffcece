"""The sampling loop, as a generator that never calls a model itself.

The scheme, with h_k = sigma_{k+1} - sigma_k and the velocities v_n computed so far:

    Euler step       x_{k+1} = x_k + h_k v_k
    skipped step k   v_k = sum_n w_n(sigma_k) v_n             w: the extrapolator's weights
    landing at j     x_j += sum_k h_k sum_n (c_n - w_n)(sigma_k) v_n    over the skipped steps k,
                                                  c: the corrector's weights, v_j among the v_n
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from fastflow.integration.coefficients import Coefficients
from fastflow.integration.corrector import Corrector
from fastflow.integration.episode import Episode, Scheme, StepContext
from fastflow.integration.extrapolator import combine, widen
from fastflow.integration.feedback import FeedbackCollector, Past, Trajectory
from fastflow.integration.grid import Grid

Advance = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, v, dsigma) -> x, one Euler step
Answer = tuple[Tensor, Tensor | None, Advance]


class Step:
    """Offers one time step to the driver, which asks for the decision and then answers.

    Attributes:
        k: the step's index.
        x: the latents at ``sigmas[k]``, ``(B, ...)``.
        context: what the episode may use to decide about this step.
        is_jump: whether a new piece of the velocity begins here.
    """

    __slots__ = ("_episode", "_forced", "context", "is_jump", "k", "x")

    def __init__(self, k: int, x: Tensor, context: StepContext, episode: Episode):
        self.k, self.x, self.context, self._episode = k, x, context, episode
        self._forced, self.is_jump = context.grid.is_forced(k), k in context.grid.jumps

    def jump(self) -> None:
        """Marks a jump in the velocity that is not in the grid; call it before the decision."""
        self._forced = self.is_jump = True

    def wants_model(self, probe: Callable[[], Tensor | None] | None = None) -> bool:
        """Returns whether the model has to be called; call this once per step.

        Args:
            probe: returns the model's cheap signal at x; called only if the policy uses it.
        """
        if self._forced and not self._episode.feedback_spec.forced_steps:
            return True
        self.context.probe_model = probe
        return self._episode.wants_model(self.context) or self._forced


def flow(
    x: Tensor,
    grid: Grid,
    scheme: Scheme,
    episode: Episode,
    *,
    key: tuple[int, int] = (0, 0),
    over_rows: Callable[[Tensor], Tensor] = torch.mean,
) -> Generator[Step, Answer, Trajectory]:
    """Integrates dx/dsigma = v(x, sigma) from noise to data over the grid.

    The generator yields one `Step` per time step. The driver answers with ``(x, v, advance)``: its
    latents, the model's velocity there (None to extrapolate it), and the function that takes an
    Euler step with the model's dtype rules. At a landing (a computed step after skipped ones) the
    corrector moves x by the difference that the new velocity makes to the skipped steps. Nothing
    is extrapolated, observed or corrected across a jump.

    Args:
        x: latents ``(B, ...)`` at ``grid.sigmas[0]``, the noise end.
        grid: the time grid.
        scheme: the extrapolator of skipped velocities and the corrector at landings.
        episode: decides which steps are computed.
        key: (run seed, sample index), which seeds the episode's random draws.
        over_rows: reduces the errors of the rows, ``(B,)``, to one.

    Returns:
        The `Trajectory`, as the value of the generator's ``StopIteration``.

    Raises:
        RuntimeError: if the driver answers a step that has to be computed without a velocity.
    """
    (extrapolator, corrector, learned), spec = scheme, episode.feedback_spec
    position = Position(grid, episode.coefficients or learned)
    keep = max(extrapolator.depth, corrector.depth - 1) + spec.lookback
    past: list[Past] = []
    gap: list[tuple[int, tuple[float, ...]]] = []  # skipped steps with their weights
    computed: list[int] = []
    collector = FeedbackCollector(grid, extrapolator, spec, over_rows, corrector, episode.features)
    state: dict[str, Any] = {}
    for k in range(grid.steps):
        context = StepContext(grid, k, len(gap), key, scheme).at(x, past)
        context.state = state
        step = Step(k, x, context, episode)
        x, v, advance = yield step
        context.x = x  # a pipeline may bring its own
        if step.is_jump:
            past.clear()
            gap.clear()
            position.restart()
        if v is None:
            if not past or grid.is_forced(k):
                raise RuntimeError(f"step {k} has to be computed, but the answer has no velocity.")
            weights = extrapolator.weights(
                [p.t for p in past[: extrapolator.depth]], grid.sigma[k]
            )
            v = position.step(k, past)
            if v is None:
                v = combine(weights, [p.v for p in past])
                position.add(grid.sigma[k + 1] - grid.sigma[k], weights)
            gap.append((k, weights))
        else:
            if observations := collector.land(k, v, past):
                episode.observe(observations)
            computed.append(k)
            past.insert(0, Past(k, grid.sigma[k], v))
            position.land(k)
            v = position.step(k, past)
            if v is None:
                v = past[0].v
                if gap and corrector.depth:
                    shift = _correction(grid.sigma, k, past, gap, corrector)
                    x = (widen(x) + combine(shift, [widen(p.v) for p in past])).to(x.dtype)
                    position.add(1.0, shift)
                position.add(grid.sigma[k + 1] - grid.sigma[k], (1.0,))
            gap.clear()
            if position.coefficients is None:
                del past[keep:]
        x = advance(x, v, grid.dsigmas[k])
    return Trajectory(x, tuple(computed), collector.feedback())


class Position:
    """Follows the weights of x in the velocities computed since the last jump.

    Args:
        grid: the time grid.
        coefficients: give the weights after each step; None if they are not needed.
    """

    def __init__(self, grid: Grid, coefficients: Coefficients | None):
        self.grid, self.coefficients = grid, coefficients
        self.restart()

    def restart(self) -> None:
        """Takes the current position as x_0."""
        self.change: list[float] = []  # the weights of the velocity of the last step
        self.v: Tensor | None = None
        self.weights: list[float] = []  # newest first
        self.computed: list[int] = []  # oldest first

    def land(self, k: int) -> None:
        """Takes step k as computed."""
        self.computed.append(k)
        self.weights.insert(0, 0.0)

    def add(self, factor: float, weights: Sequence[float]) -> None:
        """Moves the position by weighted velocities, newest first."""
        for i, weight in enumerate(weights):
            self.weights[i] += factor * weight

    def step(self, k: int, past: Sequence[Past]) -> Tensor | None:
        """Returns the velocity that leads to where the coefficients want x after step k.

        It is the change of the weights, so whatever else the driver did to x stays in it. None if
        the coefficients leave the step to the extrapolator and the corrector.
        """
        if self.coefficients is None:
            return None
        wanted = self.coefficients.weights(self.computed, k, self.weights[::-1])
        if wanted is None:
            return None
        before, self.weights = self.weights, list(wanted)[::-1]
        dsigma = self.grid.sigma[k + 1] - self.grid.sigma[k]
        change = [(a - b) / dsigma for a, b in zip(self.weights, before, strict=True)]
        if not _equal(change, self.change):  # a plan goes straight through a gap
            self.change, self.v = change, combine(change, [p.v for p in past])
        return self.v


def _equal(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(abs(x - y) < 1e-12 for x, y in zip(a, b))


def _correction(
    sigma: Sequence[float],
    j: int,
    past: Sequence[Past],
    gap: Sequence[tuple[int, tuple[float, ...]]],
    corrector: Corrector,
) -> list[float]:
    """Returns the weights of the sum over skipped steps of dsigma (v_corrected - v_extrapolated).

    Args:
        sigma: the grid's sigmas.
        j: the landing.
        past: the computed velocities, the landing's first.
        gap: the skipped steps with the weights of their velocities.
        corrector: gives the corrected weights.
    """
    nodes = [p.t for p in past[: corrector.depth]]
    total = [0.0] * len(past)
    for i, extrapolated in gap:
        dsigma = sigma[i + 1] - sigma[i]
        for n, w in enumerate(corrector.weights(nodes, sigma[i])):
            total[n] += dsigma * w
        for n, w in enumerate(extrapolated, start=1):
            total[n] -= dsigma * w
    return total
