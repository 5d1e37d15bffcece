"""A model around a model: the base of those that watch, record or spoil what another does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from fastflow.integration.grid import Grid
from fastflow.model import FlowModel
from fastflow.records import Problem, Request


class Wrapped(FlowModel):
    """Does what the model inside does; subclasses change a part of it."""

    def __init__(self, model: FlowModel):
        self.model, self.key = model, model.key
        self.calls_per_velocity = model.calls_per_velocity

    @property
    def network(self):
        return self.model.network

    def grid(self, steps: int) -> Grid:
        return self.model.grid(steps)

    def prepare(self, request: Request) -> Problem:
        return self.model.prepare(request)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        return self.model.velocity(x, t, conditioning)

    def advance(self, x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
        return self.model.advance(x, v, dsigma)

    def calls_of(self, problem: Problem, steps: Iterable[int]) -> int:
        return self.model.calls_of(problem, steps)

    def decode(self, x: Tensor, problem: Problem) -> Any:
        return self.model.decode(x, problem)

    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor | None:
        return self.model.probe(x, t, conditioning)
