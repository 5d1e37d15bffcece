"""SeaCache's rule: skip while the filtered input of the network has changed little in total."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from fastflow.integration import Episode, FeedbackSpec, Grid, StepContext
from fastflow.policies import Memory, Policy
from fastflow_plugins.policies.published.teacache import Change

CLOSEST = 1e-6  # how close to 0 and 1 sigma is taken to come


@dataclass(frozen=True, kw_only=True)
class SeaCache(Policy):
    """Skips while the accumulated change of the network's input, noise filtered out, is small.

    The published rule replaces the residual of all blocks inside the network; here it decides for
    whole velocities, which come from the extrapolator. The input is the model's probe (the first
    block's modulated input, as published), or the latents themselves if there is none.

    ``acc += |y_k - y_{k-1}|_1 / |y_{k-1}|_1`` over consecutive steps, where ``y_k`` is the input
    after the filter of `content`. The model is called, and acc reset to zero, once acc reaches the
    threshold, and at the first and the last step. Reference: https://arxiv.org/abs/2602.18993.

    Args:
        threshold: the accumulated change at which the model is called again.
        power: the exponent of the assumed power spectrum ``|f|^-power``; the public code has 2 for
            images and 3 for videos.
    """

    threshold: float = 0.3
    power: float = 2.0

    def __post_init__(self):
        for name in ("threshold", "power"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` must be 0 or more, got {getattr(self, name)}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return Filtering(self)


class Filtering(Episode):
    """Filters the network's input at every step, and calls the model once it changed enough."""

    def __init__(self, policy: SeaCache):
        super().__init__(FeedbackSpec(forced_steps=True))
        self.power, self.change = policy.power, Change(policy.threshold, (1.0, 0.0))
        self.previous: StepContext | None = None

    def wants_model(self, context: StepContext) -> bool:
        signal, previous, self.previous = context.probe(), self.previous, context
        if signal is None and previous is not None and self.change.last is None:
            self.change.last = self.filtered(previous.x, previous)
        signal = context.x if signal is None else signal
        if not signal.numel():
            return True  # a pipeline's first step, before its latents are known
        forced = context.grid.is_forced(context.index)
        return self.change.is_large(self.filtered(signal, context), forced)

    def filtered(self, signal: Tensor, context: StepContext) -> Tensor:
        """Returns the network's input at a step after the filter over space (and frames)."""
        if space := token_grid(signal, context.x):
            signal = signal.unflatten(1, space)
            axes = range(1, 1 + len(space))
        else:
            axes = range(min(2, signal.ndim - 1), signal.ndim)  # behind samples and channels
        return content(signal, context.sigma, tuple(axes), self.power)


def content(x: Tensor, sigma: float, axes: tuple[int, ...], power: float) -> Tensor:
    """Returns x through the Wiener filter for a signal in noise at this sigma.

    The gain is ``prod a / (a^2 + b^2 |f|^power)`` over the axes, divided by its mean over all
    frequencies, with ``a = 1 - sigma`` the share of data and ``b = sigma`` that of noise.

    Args:
        x: of any shape.
        sigma: 1 is noise, 0 is data.
        axes: along which x is filtered.
        power: the exponent of the assumed power spectrum.
    """
    b = min(max(sigma, CLOSEST), 1 - CLOSEST)
    gains = []
    for axis in axes:
        f = torch.fft.fftfreq(x.shape[axis], device=x.device, dtype=torch.float64).abs()
        gain = (1 - b) / ((1 - b) ** 2 + b**2 * f**power)
        gains.append(gain.reshape([-1 if i == axis else 1 for i in range(x.ndim)]))
    gain = reduce(torch.mul, gains)
    wide = x if x.itemsize >= 4 else x.float()
    gain = (gain / gain.mean()).to(wide.dtype)
    return torch.fft.ifftn(torch.fft.fftn(wide, dim=axes) * gain, dim=axes).real


def token_grid(signal: Tensor, x: Tensor) -> tuple[int, ...]:
    """Returns the space that a sequence of tokens covers; () if the signal is no such sequence.

    Args:
        signal: ``(B, N, D)`` tokens, or of any other shape.
        x: the latents. If they are ``(B, C, ..., H, W)``, patches are taken to be square in H and
            W; otherwise N is taken to be a square, and if it is none, a line.
    """
    if signal.ndim != 3:
        return ()
    n = signal.shape[1]
    if x.ndim > 3:
        *rest, height, width = x.shape[2:]
        patch = max(math.isqrt(math.prod(x.shape[2:]) // n), 1)
        space = (*rest, height // patch, width // patch)
        if math.prod(space) == n:
            return space
    side = math.isqrt(n)
    return (side, side) if side * side == n else (n,)
