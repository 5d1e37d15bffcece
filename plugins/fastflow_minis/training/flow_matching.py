"""Flow matching: the training objective of every mini, and the state of a training run.

``x = (1 - sigma) * data + sigma * noise``: sigma = 1 is noise, 0 is data; the velocity to
learn is ``v = noise - data`` (https://arxiv.org/abs/2210.02747).
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from fastflow_minis.training.mini import Objective
from fastflow_minis.training.muon import Muon
from fastflow_minis.training.recipe import Recipe

_BLOCKS = ("blocks.", "language_model.model.layers.")


class Noised(NamedTuple):
    """Holds data mixed with noise.

    Attributes:
        x: Noisy data (B, ...).
        sigma: Noise levels (B,).
        v: The velocities to learn (B, ...).
    """

    x: torch.Tensor
    sigma: torch.Tensor
    v: torch.Tensor


def noised(data: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> Noised:
    """Mixes data (B, ...) with noise; the logit of each row's level is normal."""
    noise = torch.randn(data.shape, generator=generator).to(data.device)
    normal = torch.randn(len(data), generator=generator)
    sigma = torch.sigmoid(recipe.sigma_mean + recipe.sigma_std * normal).to(data.device)
    level = sigma.view(-1, *[1] * (data.ndim - 1))
    return Noised((1 - level) * data + level * noise, sigma, noise - data)


def draw_batch(
    weights: torch.Tensor, recipe: Recipe, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Chooses the examples of a batch and their captions, some of which are dropped.

    Args:
        weights: Relative frequency of each of the N examples.
        recipe: The hyperparameters.
        generator: Source of the random numbers.

    Returns:
        Indices of examples (B,), and of captions (B,): the same, or N for the empty caption.
    """
    chosen = torch.multinomial(weights, recipe.batch, True, generator=generator)
    dropped = torch.rand(len(chosen), generator=generator) < recipe.dropout
    return chosen, torch.where(dropped, len(weights), chosen)


class FlowMatching:
    """Holds the state of a training run: parameters, their average, optimisers, random numbers.

    Args:
        learners: The parts to train, in place, on their device.
        objective: The loss.
        recipe: The hyperparameters.
    """

    def __init__(self, learners: nn.ModuleDict, objective: Objective, recipe: Recipe):
        self.learners, self.objective, self.recipe = learners.train(), objective, recipe
        self.average = {n: p.detach().clone() for n, p in learners.named_parameters()}
        self.optimisers = _optimisers(learners, recipe)
        self.generator = torch.Generator().manual_seed(recipe.seed + 1)
        self.step = 0

    def advance(self) -> float:
        """Takes one optimiser step and returns its loss (mean squared velocity error)."""
        loss = self.objective(self.generator)
        loss.backward()
        nn.utils.clip_grad_norm_(self.learners.parameters(), 1.0)
        for optimiser, rate in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * rate_factor(self.step, self.recipe)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self._follow()
        return loss.item()

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        parameters = list(self.learners.parameters())
        for average, parameter in zip(self.average.values(), parameters, strict=True):
            average.lerp_(parameter, 1 - decay)

    def state_dict(self) -> dict:
        """Returns everything that a resumed run needs."""
        return {
            "step": self.step,
            "modules": self.learners.state_dict(),
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser, _ in self.optimisers],
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Continues from what `state_dict` returned.

        Raises:
            ValueError: if the step is no number of steps; other errors for other content.
        """
        if type(state["step"]) is not int or state["step"] < 0:
            raise ValueError(f"`step` must be 0 or more, got {state['step']!r:.60}.")
        self.step = state["step"]
        self.learners.load_state_dict(state["modules"])
        for name, value in state["average"].items():
            self.average[name].copy_(value)
        for (optimiser, _), saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.generator.set_state(state["generator"].cpu())


def rate_factor(step: int, recipe: Recipe) -> float:
    """Returns the learning rate's factor: linear warm-up to 1, then a cosine down to 0."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _optimisers(learners: nn.ModuleDict, recipe: Recipe) -> list[tuple]:
    """Returns (optimiser, highest rate) pairs: Muon for block matrices, AdamW for the rest."""
    matrices, rest = [], []
    for name, parameter in learners.named_parameters():
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
        and any(blocks in name for blocks in _BLOCKS)
        and ".norm" not in name.replace(".norm_q", "").replace(".norm_k", "")
    )
