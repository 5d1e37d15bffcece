"""The values that travel between the loop, its drivers and the run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from fastflow.grid import Grid


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
class Observation:
    """What a model call taught: the error of having skipped from one computed step to another.

    Args:
        step: the computed step k that the skip starts from.
        arm: the number m of skipped steps.
        landing: the computed step j = k + m + 1 where the model was called again.
        error: the loss between the velocity extrapolated to the landing and the model's.
        exposure: the sum over the skipped steps of ``|dsigma| (t - t_k) / (t_j - t_k)``: how much
            of the landing error entered the position (to first order; 0 for arm 0).
        taken: whether the skip really happened, or is known only because more was computed.
    """

    step: int
    arm: int
    landing: int
    error: float
    exposure: float
    taken: bool


@dataclass(frozen=True)
class Lesson:
    """What one trajectory taught.

    Args:
        observations: the errors that its model calls showed, in the order of their landings.
        gram: ``(T, T)`` mean products of its velocities, if the episode asked for them; NaN for
            pairs that were too far apart or not both computed.
    """

    observations: tuple[Observation, ...] = ()
    gram: np.ndarray | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Trajectory:
    """What one run of the loop gives back.

    Args:
        x: the latents at the last sigma, ``(B, ...)``.
        computed: the steps at which the model was called, rising.
        lesson: what the calls taught.
    """

    x: Tensor
    computed: tuple[int, ...]
    lesson: Lesson


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
