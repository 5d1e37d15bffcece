"""Metrics: how close a sample is to its full run, and how well it does its task."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any

from fastflow.sampling.request import Request


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """Measures outputs; states `compare`, `score` or both, each giving named numbers.

    Larger is better unless the name of the number says otherwise.
    """

    def unavailable(self) -> str:
        """Says in one line why it cannot be measured here; empty if it can."""
        return ""

    def compare(self, output: Any, reference: Any) -> dict[str, float]:
        """Compares an output with the full run's output from the same noise."""
        return {}

    def score(self, output: Any, request: Request) -> dict[str, float]:
        """Scores how well an output does what was asked."""
        return {}
