"""A pipeline whose network takes no time: what remains of a call is the loop, and `enable`."""

from __future__ import annotations

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.configuration_utils import FrozenDict


class Constant(torch.nn.Module):
    """A network that always gives the same velocity."""

    def __init__(self):
        super().__init__()
        self.v = torch.ones(1, 64, 16)

    def forward(self, x):
        return (self.v,)


class StandIn:
    """The loop of a diffusers pipeline around such a network."""

    def __init__(self):
        self.config = FrozenDict()
        self.scheduler, self.transformer = FlowMatchEulerDiscreteScheduler(), Constant()
        self.components = {"scheduler": self.scheduler, "transformer": self.transformer}

    @torch.no_grad()
    def __call__(self, steps: int) -> torch.Tensor:
        x = torch.zeros(1, 64, 16)
        self.scheduler.set_timesteps(steps)
        for t in self.scheduler.timesteps:
            x = self.scheduler.step(self.transformer(x)[0], t, x, return_dict=False)[0]
        return x
