"""A loop of a stranger's own: each test writes another one over it."""

import torch

from .toy import CHANNELS, POINTS, ToyPipeline


class StrangersPipeline(ToyPipeline):
    """A toy whose loop, velocity and step can be overridden one by one."""

    @torch.no_grad()
    def __call__(self, steps=12, seed=0, **options):
        """Returns the latents ``(1, POINTS, CHANNELS)``, or what `loop` returns."""
        draw = torch.Generator().manual_seed(seed)
        self.prompt = torch.randn(1, CHANNELS, generator=draw)
        x = torch.randn(1, POINTS, CHANNELS, generator=draw)
        self.scheduler.set_timesteps(steps)
        return self.loop(x, self.scheduler.timesteps, **options)

    def loop(self, x, times):
        """Takes all steps."""
        for t in times:
            x = self.take(self.velocity(x, t), t, x)
        return x

    def velocity(self, x, t):
        """Returns the velocity at ``x``."""
        return self.transformer(x, t, self.prompt)[0]

    def take(self, v, t, x):
        """Returns the next latents."""
        return self.scheduler.step(v, t, x, return_dict=False)[0]
