"""A Gaussian mixture whose velocity has a closed form: instant and exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from fastflow.integration import Grid
from fastflow.sampling import FlowModel, Model, Problem, Prompt, Request

_MOST = {"modes": 10_000, "side": 256, "spread": 1e6}  # beyond these nothing is instant


@dataclass(frozen=True, kw_only=True)
class Mixture(Model):
    """Transports noise to a mixture of Gaussians whose means are small grey pictures.

    Data is ``sum_i N(m_i, spread^2 I) / modes``; the velocity ``E[noise - data | x, sigma]`` is
    exact. For tests, documentation and studies of convergence.

    Args:
        modes: the number of Gaussians.
        side: the side of a picture in pixels; the data has ``side * side`` dimensions.
        spread: the standard deviation of each Gaussian; smaller is stiffer near the data.
        seed: draws the modes.
    """

    modes: int = 4
    side: int = 8
    spread: float = 0.15
    seed: int = 0

    def __post_init__(self):
        for name in ("modes", "side", "spread"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0, got {getattr(self, name)}.")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ValueError(f"`{name}` must be at most {most:,}, got {getattr(self, name)}.")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"`seed` must be 0 or more and below 2^63, got {self.seed}.")

    def load(self, device: str = "cpu", dtype: str = "float32") -> FlowModel:
        return MixtureFlow(self, device, getattr(torch, dtype))

    def prompts(self, count: int) -> list[Prompt]:
        return [Prompt(f"sample {i}", "mixture") for i in range(count)]


class MixtureFlow(FlowModel):
    """Computes the closed-form velocity on latents ``(B, side * side)``; sigma = 1 is noise."""

    def __init__(self, recipe: Mixture, device: str, dtype: torch.dtype):
        self.key = repr(recipe)
        self.spread, self.side = recipe.spread, recipe.side
        self.device, self.dtype = device, dtype
        generator = torch.Generator().manual_seed(recipe.seed)
        means = torch.rand(recipe.modes, recipe.side**2, generator=generator).round() * 1.6 - 0.8
        self.means = means.to(device, dtype)

    def grid(self, steps: int) -> Grid:
        wide = self.dtype if self.dtype is torch.float64 else torch.float32
        return Grid(torch.linspace(1, 0, steps + 1, dtype=wide, device=self.device))

    def prepare(self, request: Request) -> Problem:
        generator = torch.Generator().manual_seed(request.seed)
        x = torch.randn(1, self.side**2, generator=generator, dtype=torch.float64)
        return Problem(x.to(self.device, self.dtype), self.grid(request.steps), None, request)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence) -> Tensor:
        sigma = t.to(x.dtype)[:, None, None]
        variance = (1 - sigma) ** 2 * self.spread**2 + sigma**2
        away = x[:, None] - (1 - sigma) * self.means  # (B, modes, D)
        posterior = torch.softmax(-away.square().sum(-1) / (2 * variance[:, :, 0]), dim=1)
        noise = sigma / variance * away
        data = self.means + (1 - sigma) * self.spread**2 / variance * away
        return (posterior[:, :, None] * (noise - data)).sum(1)

    def advance(self, x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
        return x + dsigma * v

    def decode(self, x: Tensor, problem: Problem) -> Image.Image:
        grey = ((x.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        pixels = grey.reshape(self.side, self.side).cpu().numpy()
        size = (8 * self.side, 8 * self.side)
        return Image.fromarray(pixels).convert("RGB").resize(size, Image.Resampling.NEAREST)
