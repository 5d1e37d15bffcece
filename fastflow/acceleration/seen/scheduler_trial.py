"""Tries a copy of a scheduler on a few numbers, to see whether its steps add noise."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch

TRIED_STEPS = 3


def draws_noise(scheduler: Any) -> bool:
    """Returns whether a scheduler's steps draw random numbers.

    A copy takes three of six steps from fixed latents. A scheduler that cannot be tried so is
    taken to draw none: its first step within a pipeline is watched as well.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = generator.get_state(), torch.get_rng_state()
        try:
            _take_steps(copy.deepcopy(scheduler), generator)
        except Exception:  # it may want other latents or arguments: nothing is known
            return False
        after = generator.get_state(), torch.get_rng_state()
    return not all(map(torch.equal, before, after))


def _take_steps(scheduler: Any, generator: torch.Generator) -> None:
    shift = {"mu": 0.5} if scheduler.config.get("use_dynamic_shifting") else {}
    scheduler.set_timesteps(6, **_taken(scheduler.set_timesteps, **shift))
    x = v = torch.linspace(-1, 1, 128).reshape(1, 2, 8, 8)
    drawn = _taken(scheduler.step, generator=generator)
    for time in scheduler.timesteps[:TRIED_STEPS]:
        taken = scheduler.step(v, time, x, **drawn)
        x = taken.prev_sample if hasattr(taken, "prev_sample") else taken[0]


def _taken(method: Any, **options: Any) -> dict[str, Any]:
    """Returns the options that a method takes."""
    names = inspect.signature(method).parameters
    return {name: value for name, value in options.items() if name in names}
