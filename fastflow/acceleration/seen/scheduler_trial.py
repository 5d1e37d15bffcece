"""Tries a copy of a scheduler on a few numbers, to see whether its steps add noise."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

TRIED_STEPS = 6


def draws_noise(scheduler: Any) -> bool:
    """Returns whether a scheduler's steps add noise.

    Copies take steps from fixed latents, and from zeros with a velocity of zero: without noise,
    wherever that comes from, every solver stays there. A scheduler that cannot be tried so is
    taken to add none: its first step within a pipeline is watched as well.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = generator.get_state(), torch.get_rng_state()
        start = torch.linspace(-1, 1, 128).reshape(1, 2, 8, 8)
        try:
            _end(copy.deepcopy(scheduler), generator, start)
            still = _end(copy.deepcopy(scheduler), generator, torch.zeros_like(start))
        except Exception:  # it may want other latents or arguments: nothing is known
            return False
        after = generator.get_state(), torch.get_rng_state()
    is_known = isinstance(still, Tensor) and still.shape == start.shape
    moved = is_known and bool(still.isfinite().all() and still.any())
    return moved or not all(map(torch.equal, before, after))


def _end(scheduler: Any, generator: torch.Generator, start: Tensor) -> Tensor:
    """Returns where a scheduler ends from some latents, with them as the velocity."""
    shift = {"mu": 0.5} if option(scheduler.config, "use_dynamic_shifting") else {}
    scheduler.set_timesteps(TRIED_STEPS, **_taken(scheduler.set_timesteps, **shift))
    x, drawn = start, _taken(scheduler.step, generator=generator)
    for time in scheduler.timesteps:
        given = _taken(scheduler.step, model_output=start, timestep=time, sample=x)
        if {"model_output", "sample"} <= given.keys():
            taken = scheduler.step(**given, **drawn)
        else:
            taken = scheduler.step(start, time, x, **drawn)
        x = taken.prev_sample if hasattr(taken, "prev_sample") else taken[0]
    return x


def option(config: Any, name: str) -> Any:
    """Returns an option of a configuration, which may be any kind of object; None without it."""
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)


def _taken(method: Any, **options: Any) -> dict[str, Any]:
    """Returns the options that a method takes."""
    names = inspect.signature(method).parameters
    return {name: value for name, value in options.items() if name in names}
