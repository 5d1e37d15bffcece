"""A driver that runs a policy on a small velocity field and returns a transcript."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastflow.integration.corrector import Corrector, NoCorrection
from fastflow.integration.episode import Episode, Scheme
from fastflow.integration.extrapolator import Extrapolator, Reuse
from fastflow.integration.feedback import Feedback
from fastflow.integration.grid import Grid
from fastflow.integration.loop import Step, flow
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy

PLAIN_SCHEME = Scheme(Reuse(), NoCorrection())


@dataclass(frozen=True)
class Transcript:
    """Holds the decisions and the result of one trajectory.

    Attributes:
        x: the final latents, ``(1, D)``.
        computed: the computed steps.
        feedback: what was observed at the model calls.
        propensities: for each step with a drawn decision, the probability of the arm drawn there.
        features: for each computed step, what the policy noted about its choice.
    """

    x: Tensor
    computed: tuple[int, ...]
    feedback: Feedback
    propensities: dict[int, float]
    features: dict[int, Mapping[str, float]]

    @property
    def decisions(self) -> tuple:
        """The decisions, which a replay has to repeat, and what they were based on."""
        noted = [(k, tuple(named.items())) for k, named in sorted(self.features.items())]
        return self.computed, tuple(sorted(self.propensities.items())), tuple(noted)

    def skips(self, steps: int) -> dict[int, int]:
        """Returns how many steps were skipped after each computed one, of ``steps`` in total."""
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
    watch: Callable[[Step, Episode], None] | None = None,
) -> Transcript:
    """Runs one trajectory of a policy, in float64.

    Args:
        policy: decides which steps are computed.
        grid: the time grid.
        memory: what the policy has learned; an empty memory if None.
        key: (run seed, sample index); the index also seeds the noise.
        extrapolator: predicts skipped velocities; `Reuse` if None.
        corrector: corrects x at landings; `NoCorrection` if None.
        velocity: the field ``(x, sigma) -> v``; `field` if None.
        watch: called with each step and the episode, right after the step is decided.
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
            is_computed = step.wants_model(lambda x=x, t=t: torch.cos(x + t))
            if watch is not None:
                watch(step, episode)
            step = loop.send((x, velocity(x, t) if is_computed else None, euler))
    except StopIteration as stop:
        end = stop.value
    drawn = dict(episode.propensities), dict(episode.features)
    return Transcript(end.x, end.computed, end.feedback, *drawn)


def start(sample: int) -> Tensor:
    """Returns the noise of a sample, ``(1, 4)``."""
    generator = torch.Generator().manual_seed(sample)
    return torch.randn(1, 4, generator=generator, dtype=torch.float64)


def field(x: Tensor, sigma: float) -> Tensor:
    """Returns a smooth nonlinear velocity, larger and more curved at both ends of time."""
    bend = 1 + 8 * (sigma - 0.5) ** 2
    return torch.sin(x.roll(1, -1) + 3 * sigma) * bend - 0.5 * x


def euler(x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
    """Returns x after one Euler step."""
    return x + dsigma * v


def uneven(steps: int, shift: float = 3.0, **options: Any) -> Grid:
    """Returns a grid in float64 that is finer at the noise end, as flow-matching models use it."""
    t = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return Grid(shift * t / (1 + (shift - 1) * t), **options)


def grids() -> dict[str, Grid]:
    """Returns different grids by name; a policy may refuse some as too short, but not all."""
    return {
        "short": uneven(9, 1.0),
        "forced": uneven(25, jumps=frozenset({4, 8, 9, 17})),
        "open": uneven(16, 1.5, compute_last=False),
    }
