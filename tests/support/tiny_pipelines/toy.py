"""A pipeline of one small layer that does in a call whatever pipelines of strangers do."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from .building import same_weights

CHANNELS, POINTS = 3, 4


class ToyNetwork(torch.nn.Module):
    """A velocity of latents ``(B, POINTS, CHANNELS)``, a time and a prompt ``(B, CHANNELS)``."""

    def __init__(self):
        super().__init__()
        with same_weights():
            self.layer = torch.nn.Linear(CHANNELS + 1, CHANNELS)

    def forward(self, x, time, prompt, scale=1.0):
        """Returns a tuple of the velocity ``(B, POINTS, CHANNELS)``."""
        time = (time / 1000).expand(x.shape[0], x.shape[1], 1)
        return (torch.tanh(self.layer(torch.cat([x + prompt[:, None], time], -1))) * scale,)


@dataclass
class ToyPipeline:
    """Denoises by a loop like those of diffusers.

    Attributes:
        scheduler: any flow-matching scheduler of diffusers.
        transformer: the network.
        branches: "batch" for guidance in one network call, "calls" for two.
        sets_begin: whether it tells the scheduler where it begins.
        sign: -1 to hand negated velocities over.
    """

    scheduler: FlowMatchEulerDiscreteScheduler = field(
        default_factory=lambda: FlowMatchEulerDiscreteScheduler(shift=3.0)
    )
    transformer: torch.nn.Module = field(default_factory=ToyNetwork)
    branches: str = "batch"
    sets_begin: bool = True
    sign: int = 1

    def __post_init__(self):
        self.config = SimpleNamespace(name_or_path="")
        self.interrupt = False

    @property
    def components(self):
        """Its parts by name."""
        return {"scheduler": self.scheduler, "transformer": self.transformer}

    @torch.no_grad()
    def __call__(
        self,
        num_inference_steps=10,
        strength=1.0,
        stop_at=None,
        guidance=2.0,
        guided=(0.0, 1.0),
        seed=0,
        batch=1,
        windows=1,
        callback_on_step_end=None,
    ):
        """Returns the latents of the last window, ``(B, POINTS, CHANNELS)``.

        Args:
            num_inference_steps: of the whole grid.
            strength: the share of the grid that is taken.
            stop_at: the step of the grid before which it ends.
            guidance: the scale; 1 for one branch.
            guided: the share of the taken steps in which there is guidance.
            seed: of the noise.
            batch: the number of samples.
            windows: how often it denoises.
            callback_on_step_end: as in diffusers.
        """
        self.interrupt, self.guidance_scale = False, guidance
        draw = torch.Generator().manual_seed(seed)
        prompt = torch.randn(batch, CHANNELS, generator=draw)
        for _ in range(windows):
            x = torch.randn(batch, POINTS, CHANNELS, generator=draw)
            self.scheduler.set_timesteps(num_inference_steps)
            begin = num_inference_steps - max(2, round(num_inference_steps * strength))
            times = self.scheduler.timesteps[begin:stop_at]
            if self.sets_begin:
                self.scheduler.set_begin_index(begin)
            for k, t in enumerate(times):
                if self.interrupt:
                    continue
                is_guided = guided[0] * len(times) <= k < guided[1] * len(times)
                v = self._velocity(x, t, prompt, is_guided)
                x = self.scheduler.step(self.sign * v, t, x, return_dict=False)[0]
                if callback_on_step_end is not None:
                    given = {"latents": x, "prompt_embeds": prompt}
                    given |= callback_on_step_end(self, k, t, given) or {}
                    x, prompt = given["latents"], given["prompt_embeds"]
        return x

    def _velocity(self, x, t, prompt, is_guided):
        if self.guidance_scale == 1 or not is_guided:
            return self.transformer(x, t, prompt)[0]
        if self.branches == "batch":
            both = torch.cat([-prompt, prompt])
            plain, prompted = self.transformer(torch.cat([x, x]), t, both)[0].chunk(2)
        else:
            prompted, plain = self.transformer(x, t, prompt)[0], self.transformer(x, t, -prompt)[0]
        return plain + self.guidance_scale * (prompted - plain)
