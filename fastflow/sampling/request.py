"""What is asked of a model: prompts, requests, and the initial value problem made of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from fastflow.integration.grid import Grid


@dataclass(frozen=True)
class Prompt:
    """Says what to generate, before it is known with which noise and in how many steps.

    Args:
        text: the words.
        task: the kind of prompt, for scores per task.
        image: a reference image to edit, if the model takes one.
        item: what a benchmark has to know of it again, as JSON knows it.
    """

    text: str
    task: str = ""
    image: Image.Image | None = None
    item: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Request:
    """Asks for one sample.

    Args:
        index: the sample's number in its run; with the run's seed it seeds every decision.
        prompt: what to generate.
        seed: seeds the sample's noise.
        steps: the number T of time steps.
        negative_prompt: what to steer away from; only used with true classifier-free guidance.
        task: the kind of prompt, for scores per task.
        image: a reference image to edit, if the model takes one.
        item: what a benchmark has to know of its prompt.
        repeat: how many samples of the same prompt come before it.
    """

    index: int
    prompt: str
    seed: int
    steps: int = 50
    negative_prompt: str | None = None
    task: str = ""
    image: Image.Image | None = None
    item: Mapping[str, Any] = field(default_factory=dict, hash=False)
    repeat: int = 0


@dataclass(frozen=True)
class Problem:
    """One sample's initial value problem, as a model prepared it.

    Args:
        x: the latents at sigma = 1 (noise), with a leading axis of 1: ``(1, ...)``.
        grid: the time grid.
        conditioning: whatever the model needs beside x and t; opaque to the core.
        request: what it was made from.
        calls: the network calls that each step takes, where that varies (guidance on an interval);
            empty where every step takes the model's `calls_per_velocity`.
    """

    x: Tensor
    grid: Grid
    conditioning: Any
    request: Request
    calls: tuple[int, ...] = ()
