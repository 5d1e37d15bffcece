"""What sampling gives: a sample and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fastflow.integration.feedback import Feedback
from fastflow.sampling.request import Request


@dataclass(frozen=True)
class Sample:
    """One generated sample and how it came about.

    Args:
        request: what was asked.
        output: the decoded output (a PIL image, or a `Video`), or None where it failed.
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
    feedback: Feedback
    propensities: dict[int, float]
    seconds: Seconds
    failure: str = ""
    calls_full: int = 0

    @property
    def arms(self) -> tuple[int, ...]:
        """How many steps were skipped after each computed step, up to the last computed one."""
        return tuple(b - a - 1 for a, b in zip(self.computed, self.computed[1:], strict=False))


@dataclass(frozen=True)
class Seconds:
    """Wall time of one sample, split; its share of a batch where calls were batched."""

    encode: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0
