"""Metrics: how close a sample is to its reference run, and how well it fulfils its prompt."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any

from fastflow.sampling.request import Request


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """Measures outputs; a subclass defines `compare`, `score` or both.

    Both return numbers by name. Larger is better unless the name states the opposite.
    """

    def unavailable(self) -> str:
        """Returns one line that states why it cannot be measured here; empty if it can."""
        return ""

    def compare(self, output: Any, reference: Any) -> dict[str, float]:
        """Compares an output with the reference run's output from the same noise."""
        return {}

    def score(self, output: Any, request: Request) -> dict[str, float]:
        """Scores how well an output fulfils its request."""
        return {}
