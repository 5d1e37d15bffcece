"""The sampling loop, as a generator that never calls a model itself.

The scheme, with h_k = sigma_{k+1} - sigma_k and the velocities v_n computed so far:

    Euler step       x_{k+1} = x_k + h_k v_k
    skipped step k   v_k = sum_n w_n(sigma_k) v_n             w: the extrapolator's weights
    landing at j     x_j += sum_k h_k sum_n (c_n - w_n)(sigma_k) v_n    over the skipped steps k,
                                                  c: the corrector's weights, v_j among the v_n
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import torch
from torch import Tensor

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
    (extrapolator, corrector), spec = scheme, episode.feedback_spec
    keep = max(extrapolator.depth, corrector.depth - 1) + spec.lookback
    past: list[Past] = []
    gap: list[tuple[int, tuple[float, ...]]] = []  # skipped steps with their weights
    computed: list[int] = []
    collector = FeedbackCollector(grid, extrapolator, spec, over_rows)
    for k in range(grid.steps):
        step = Step(k, x, StepContext(grid, k, len(gap), key, scheme), episode)
        x, v, advance = yield step
        if step.is_jump:
            past.clear()
            gap.clear()
        if v is None:
            if not past or grid.is_forced(k):
                raise RuntimeError(f"step {k} has to be computed, but the answer has no velocity.")
            weights = extrapolator.weights(
                [p.t for p in past[: extrapolator.depth]], grid.sigma[k]
            )
            v = combine(weights, [p.v for p in past])
            gap.append((k, weights))
        else:
            if observations := collector.land(k, v, past):
                episode.observe(observations)
            if gap and corrector.depth:
                x = _correct(x, v, grid.sigma, k, past, gap, corrector)
            gap.clear()
            computed.append(k)
            past.insert(0, Past(k, grid.sigma[k], v))
            del past[max(keep, spec.gram) :]
        x = advance(x, v, grid.dsigmas[k])
    return Trajectory(x, tuple(computed), collector.feedback())


def _correct(
    x: Tensor,
    v: Tensor,
    sigma: Sequence[float],
    j: int,
    past: Sequence[Past],
    gap: Sequence[tuple[int, tuple[float, ...]]],
    corrector: Corrector,
) -> Tensor:
    """Returns x plus the sum over skipped steps of dsigma (v_corrected - v_extrapolated)."""
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
