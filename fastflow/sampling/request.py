"""Prompts, requests, and the initial value problem that a model prepares for a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from fastflow.integration.grid import Grid


@dataclass(frozen=True)
class Prompt:
    """Describes what to generate, without noise and number of steps.

    Args:
        text: the prompt's text.
        task: the kind of prompt, for scores per task.
        image: the image to edit, if the model takes one.
        item: the benchmark's own data about the prompt, in JSON types.
    """

    text: str
    task: str = ""
    image: Image.Image | None = None
    item: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Request:
    """Requests one sample.

    Args:
        index: the sample's number in its run, which seeds decisions together with the run's seed.
        prompt: what to generate.
        seed: seeds the sample's noise.
        steps: the number T of time steps.
        negative_prompt: what to avoid; used only with true classifier-free guidance.
        task: the kind of prompt, for scores per task.
        image: the image to edit, if the model takes one.
        item: the benchmark's own data about the prompt.
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
    """Holds the initial value problem of one sample, as prepared by a model.

    Args:
        x: the latents at sigma = 1 (noise), with a leading axis of 1: ``(1, ...)``.
        grid: the time grid.
        conditioning: whatever the model needs in addition to x and t; opaque to the core.
        request: the request it was made from.
        calls: the network calls of each step, if that varies (guidance on an interval); empty if
            every step takes the model's `calls_per_velocity`.
    """

    x: Tensor
    grid: Grid
    conditioning: Any
    request: Request
    calls: tuple[int, ...] = ()
