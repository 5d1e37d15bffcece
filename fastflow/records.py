"""The values that travel between the loop, its drivers and the run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from fastflow.integration.feedback import Lesson
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


@dataclass(frozen=True)
class Seconds:
    """Wall time of one sample, split; its share of a batch where calls were batched."""

    encode: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0


@dataclass(frozen=True)
class Sample:
    """One generated sample and how it came about.

    Args:
        request: what was asked.
        output: the decoded output (a PIL image, or a `Clip`), or None where it failed.
        x: the final latents ``(1, ...)`` at sigma = 0.
        computed: the steps at which the model was called.
        calls: network calls: the guidance branches of the computed steps.
        lesson: what the sample taught; nothing where it failed.
        propensities: for each step with a drawn decision, the probability of the arm drawn there.
        seconds: wall time.
        failure: why there is no output, or an empty string.
        calls_full: the network calls that all steps of its grid take.
    """

    request: Request
    output: Any
    x: Tensor | None
    computed: tuple[int, ...]
    calls: int
    lesson: Lesson
    propensities: dict[int, float]
    seconds: Seconds
    failure: str = ""
    calls_full: int = 0

    @property
    def arms(self) -> tuple[int, ...]:
        """How many steps were skipped after each computed step, up to the last computed one."""
        return tuple(b - a - 1 for a, b in zip(self.computed, self.computed[1:], strict=False))
