"""Flow matching of a FluxPipeline's transformer together with its text encoders.

``x = (1 - sigma) * data + sigma * noise``: sigma = 1 is noise, 0 is data; the velocity to
learn is ``v = noise - data`` (https://arxiv.org/abs/2210.02747).
"""

import math

import torch
from diffusers import FluxPipeline
from torch import nn

from fastflow_minis.bank import Bank, Tokens
from fastflow_minis.language import parse
from fastflow_minis.muon import Muon
from fastflow_minis.recipe import Recipe

RELATIONAL = ("two_objects", "position", "colour_attribution")
"""Tasks whose captions name two kinds of object; they take longer to learn."""


def learners(pipe: FluxPipeline) -> nn.ModuleDict:
    """Returns the parts that flow matching trains, under their names in the pipeline."""
    names = ("transformer", "text_encoder", "text_encoder_2")
    return nn.ModuleDict({name: getattr(pipe, name) for name in names})


def velocity(
    pipe: FluxPipeline, x: torch.Tensor, sigma: torch.Tensor, tokens: Tokens
) -> torch.Tensor:
    """Calls the transformer as FluxPipeline does.

    Args:
        pipe: The pipeline, its parts on the device of `x`.
        x: Packed latents (B, 64, 4C).
        sigma: Noise levels (B,), 1 is noise.
        tokens: The captions' token ids (B, tokens).

    Returns:
        The velocity (B, 64, 4C).
    """
    text = pipe.text_encoder_2(tokens.t5, output_hidden_states=False)[0]
    pooled = pipe.text_encoder(tokens.clip, output_hidden_states=False).pooler_output
    side = math.isqrt(x.shape[1])
    return pipe.transformer(
        hidden_states=x,
        timestep=sigma,
        guidance=None,
        pooled_projections=pooled,
        encoder_hidden_states=text,
        txt_ids=torch.zeros(text.shape[1], 3, device=x.device),
        img_ids=pipe._prepare_latent_image_ids(len(x), side, side, x.device, x.dtype),
        return_dict=False,
    )[0]


class Matching:
    """The state of a training run: parameters, their average, optimisers and random numbers.

    Args:
        pipe: What to train, in place, on its device.
        bank: Latents and captions.
        recipe: The hyperparameters.
    """

    def __init__(self, pipe: FluxPipeline, bank: Bank, recipe: Recipe):
        self.pipe, self.recipe = pipe, recipe
        self.device = pipe.transformer.device
        self.modules = learners(pipe).train()
        nn.init.zeros_(pipe.transformer.proj_out.weight)
        self.data = pack(bank.latents)
        self.weights = torch.tensor([_weight(text, recipe) for text in bank.captions])
        self.tokens = Tokens.of(pipe, [*bank.captions, ""], recipe.tokens)
        self.average = {n: p.detach().clone() for n, p in self.modules.named_parameters()}
        self.optimisers = _optimisers(self.modules, recipe)
        self.generator = torch.Generator().manual_seed(recipe.seed + 1)
        self.step = 0

    def advance(self) -> float:
        """Takes one optimiser step and returns its loss (mean squared velocity error)."""
        loss = self._loss()
        loss.backward()
        nn.utils.clip_grad_norm_(self.modules.parameters(), 1.0)
        for optimiser, rate in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * rate_factor(self.step, self.recipe)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self._follow()
        return loss.item()

    def _loss(self) -> torch.Tensor:
        data, tokens = self._batch()
        noise = torch.randn(data.shape, generator=self.generator).to(self.device)
        normal = torch.randn(len(data), generator=self.generator)
        sigma = torch.sigmoid(self.recipe.sigma_mean + self.recipe.sigma_std * normal)
        sigma = sigma.to(self.device)
        level = sigma[:, None, None]
        v = velocity(self.pipe, (1 - level) * data + level * noise, sigma, tokens)
        return (v - (noise - data)).square().mean()

    def _batch(self) -> tuple[torch.Tensor, Tokens]:
        count = len(self.data)
        size = self.recipe.batch
        chosen = torch.multinomial(self.weights, size, True, generator=self.generator)
        dropped = torch.rand(len(chosen), generator=self.generator) < self.recipe.dropout
        tokens = self.tokens.pick(torch.where(dropped, count, chosen))
        moved = Tokens(tokens.clip.to(self.device), tokens.t5.to(self.device))
        return self.data[chosen].to(self.device), moved

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        parameters = list(self.modules.parameters())
        for average, parameter in zip(self.average.values(), parameters, strict=True):
            average.lerp_(parameter, 1 - decay)

    def state_dict(self) -> dict:
        """Returns everything that a continued run needs."""
        return {
            "step": self.step,
            "modules": self.modules.state_dict(),
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser, _ in self.optimisers],
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Continues from what `state_dict` returned."""
        self.step = state["step"]
        self.modules.load_state_dict(state["modules"])
        for name, value in state["average"].items():
            self.average[name].copy_(value)
        for (optimiser, _), saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.generator.set_state(state["generator"].cpu())


def _weight(caption: str, recipe: Recipe) -> float:
    return recipe.relational if parse(caption).task in RELATIONAL else 1.0


def pack(latents: torch.Tensor) -> torch.Tensor:
    """Packs latents (N, C, H, W) into tokens (N, H/2 * W/2, 4C) in the pipeline's order."""
    return FluxPipeline._pack_latents(latents, *latents.shape).contiguous()


def rate_factor(step: int, recipe: Recipe) -> float:
    """Linear warm-up to 1, then a cosine to 0 at the last step."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _optimisers(modules: nn.ModuleDict, recipe: Recipe) -> list[tuple]:
    """Pairs optimisers with their highest rates: Muon for block matrices, AdamW for the rest."""
    matrices, rest = [], []
    for name, parameter in modules.named_parameters():
        muon = recipe.muon_rate is not None and _is_block_matrix(name, parameter)
        (matrices if muon else rest).append(parameter)
    adam = torch.optim.AdamW(
        rest, recipe.rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay
    )
    if not matrices:
        return [(adam, recipe.rate)]
    rate = recipe.muon_rate or 0.0
    return [(adam, recipe.rate), (Muon(matrices, rate, weight_decay=recipe.weight_decay), rate)]


def _is_block_matrix(name: str, parameter: torch.Tensor) -> bool:
    return (
        parameter.ndim == 2
        and "blocks." in name
        and ".norm" not in name.replace(".norm_q", "").replace(".norm_k", "")
    )
