"""The result of sampling: a sample and its cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fastflow.integration.feedback import Feedback
from fastflow.sampling.request import Request


@dataclass(frozen=True)
class Sample:
    """Holds one generated sample with its decisions and its cost.

    Args:
        request: the request.
        output: the decoded output (a PIL image or a `Video`), or None if the sample failed.
        x: the final latents ``(1, ...)`` at sigma = 0.
        computed: the steps at which the model was called, in increasing order.
        calls: network calls (NFE), which count every guidance branch of the computed steps.
        feedback: the feedback of its trajectory; empty if the sample failed.
        propensities: for each step with a drawn decision, the probability of the arm drawn there.
        seconds: wall time.
        failure: why there is no output, or an empty string.
        calls_full: the network calls of all steps of its grid.
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
        """The number of steps skipped after each computed step but the last."""
        return tuple(b - a - 1 for a, b in zip(self.computed, self.computed[1:], strict=False))


@dataclass(frozen=True)
class Seconds:
    """Holds the wall time of one sample in seconds; of batched calls, the sample's share."""

    encode: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0
