"""The time grid of one trajectory: sigma falls from noise (1) to data (0)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Grid:
    """Holds the sigmas of one trajectory and the steps that have to be computed.

    Step ``k`` goes from ``sigmas[k]`` to ``sigmas[k + 1]``; sigma = 1 is noise, sigma = 0 is data.
    The velocity is smooth in sigma except where it jumps (another expert, the edge of a guidance
    interval). A jump splits the trajectory into two pieces, and the first and the last step of
    each piece are computed.

    Args:
        sigmas: ``(T + 1,)`` float32, strictly falling.
        times: ``(T,)`` the time passed to the model at each step, in the model's own units;
            ``sigmas[:-1]`` if None.
        jumps: the steps at which a new piece of the velocity begins.
        compute_last: whether the last step of the trajectory is always computed.

    Raises:
        ValueError: if the sigmas do not fall strictly, or there are fewer than two.
    """

    sigmas: Tensor
    times: Tensor | None = None
    jumps: frozenset[int] = frozenset()
    compute_last: bool = True

    def __post_init__(self):
        sigma = self.sigma
        if len(sigma) < 2:
            raise ValueError(f"`sigmas` must hold at least 2 points, got {len(sigma)}.")
        if not all(b < a for a, b in pairwise(sigma)):
            raise ValueError(f"`sigmas` must fall strictly from noise to data, got {sigma}.")

    @classmethod
    def even(cls, steps: int, **options: Any) -> Grid:
        """Returns the grid of ``steps`` equal steps from 1 to 0, with the options of `Grid`."""
        return cls(torch.linspace(1, 0, steps + 1), **options)

    @property
    def steps(self) -> int:
        """The number T of steps."""
        return len(self.sigma) - 1

    @cached_property
    def sigma(self) -> tuple[float, ...]:
        """The sigmas as Python floats, read back from the device once."""
        return tuple(self.sigmas.tolist())

    @cached_property
    def dsigmas(self) -> Tensor:
        """``(T,)`` the (negative) step sizes, subtracted in float32 as in diffusers."""
        return self.sigmas[1:] - self.sigmas[:-1]

    @cached_property
    def model_times(self) -> Tensor:
        """``(T,)`` the time passed to the model at each step."""
        return self.sigmas[:-1] if self.times is None else self.times

    @cached_property
    def longest_skip(self) -> tuple[int, ...]:
        """For each step, the largest number of following steps that may be skipped in a row."""
        longest = [0] * self.steps
        for k in range(self.steps - 2, -1, -1):
            longest[k] = 0 if self.is_forced(k + 1) else longest[k + 1] + 1
        return tuple(longest)

    def is_forced(self, k: int) -> bool:
        """Returns whether step k has to be computed."""
        last = self.compute_last and k == self.steps - 1
        return k == 0 or last or k in self.jumps or k + 1 in self.jumps

    @cached_property
    def digest(self) -> str:
        """A hash of the sigmas and forced steps; it keeps memories of different grids apart."""
        forced = [k for k in range(self.steps) if self.is_forced(k)]
        text = ",".join(f"{s:.6f}" for s in self.sigma) + f"|{forced}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


FEW_STEPS = 8


def few_steps(steps: int) -> str:
    """Returns a warning if a run has so few steps that little can be skipped, otherwise empty."""
    if steps > FEW_STEPS:
        return ""
    return (
        f"{steps} steps leave little to skip: the first and the last are always computed, and "
        "consecutive velocities differ much. Expect small gains and visible changes."
    )
