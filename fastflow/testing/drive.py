"""Drives a policy through the loop on a small field of its own, and writes down what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastflow.integration.corrector import Corrector, NoCorrection
from fastflow.integration.episode import Scheme
from fastflow.integration.extrapolator import Extrapolator, Reuse
from fastflow.integration.feedback import Feedback
from fastflow.integration.grid import Grid
from fastflow.integration.loop import flow
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy

PLAIN_SCHEME = Scheme(Reuse(), NoCorrection())


@dataclass(frozen=True)
class Transcript:
    """One trajectory as it went.

    Attributes:
        x: ``(1, D)`` the end.
        computed: the computed steps.
        lesson: what the calls taught.
        propensities: per step with a drawn decision the probability of what was drawn.
    """

    x: Tensor
    computed: tuple[int, ...]
    feedback: Feedback
    propensities: dict[int, float]

    @property
    def decisions(self) -> tuple:
        """What a replay has to repeat."""
        return self.computed, tuple(sorted(self.propensities.items()))

    def skips(self, steps: int) -> dict[int, int]:
        """Returns how many steps were skipped after each computed one, of ``steps`` in all."""
        ends = (*self.computed[1:], steps)
        return {k: j - k - 1 for k, j in zip(self.computed, ends, strict=True)}


def drive(
    policy: Policy,
    grid: Grid,
    memory: Memory | None = None,
    key: tuple[int, int] = (0, 0),
    extrapolator: Extrapolator | None = None,
    corrector: Corrector | None = None,
    velocity: Callable[[Tensor, float], Tensor] | None = None,
) -> Transcript:
    """Runs one trajectory of a policy, in float64.

    Args:
        policy: decides.
        grid: the time grid.
        memory: what the policy has learned; nothing if None.
        key: (run seed, sample index); the index draws the start.
        extrapolator: reuse if None.
        corrector: none if None.
        velocity: ``(x, sigma) -> v``; `field` if None.
    """
    velocity = velocity or field
    episode = policy.begin(grid, policy.empty(grid) if memory is None else memory)
    x = start(key[1])
    scheme = Scheme(extrapolator or Reuse(), corrector or NoCorrection())
    loop = flow(x, grid, scheme, episode, key=key)
    try:
        step = next(loop)
        while True:
            x, t = step.x, grid.sigma[step.k]
            wanted = step.wants_model(lambda x=x, t=t: torch.cos(x + t))
            step = loop.send((x, velocity(x, t) if wanted else None, euler))
    except StopIteration as stop:
        end = stop.value
    return Transcript(end.x, end.computed, end.feedback, dict(episode.propensities))


def start(sample: int) -> Tensor:
    """Returns the noise of a sample, ``(1, 4)``."""
    generator = torch.Generator().manual_seed(sample)
    return torch.randn(1, 4, generator=generator, dtype=torch.float64)


def field(x: Tensor, sigma: float) -> Tensor:
    """A smooth nonlinear velocity, larger and more curved at both ends of time."""
    bend = 1 + 8 * (sigma - 0.5) ** 2
    return torch.sin(x.roll(1, -1) + 3 * sigma) * bend - 0.5 * x


def euler(x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
    """Takes one Euler step."""
    return x + dsigma * v


def uneven(steps: int, shift: float = 3.0, **options: Any) -> Grid:
    """Makes the grid of flow-matching models that is finer at the noise end, in float64."""
    t = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return Grid(shift * t / (1 + (shift - 1) * t), **options)


def grids() -> dict[str, Grid]:
    """Returns grids of many shapes; a policy may find some of them too short, not all."""
    return {
        "short": uneven(9, 1.0),
        "forced": uneven(25, jumps=frozenset({4, 8, 9, 17})),
        "open": uneven(16, 1.5, compute_last=False),
    }
