"""Models: loading a flow-matching model, preparing, calling, advancing and decoding it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from fastflow.integration.grid import Grid
from fastflow.sampling.request import Problem, Prompt, Request


class FlowModel(ABC):
    """Represents a loaded model, to be integrated from noise (sigma = 1) to data (sigma = 0).

    Attributes:
        key: identifies the model and its settings, so that memories of other models are refused.
        calls_per_velocity: network calls in one `velocity` of one sample (guidance branches); the
            maximum, if that varies from step to step (`Problem.calls`).
        example_prompts: prompts that the model takes, for checks; to be set by a model that
            refuses words that it does not know.
    """

    key: str
    calls_per_velocity: int = 1
    example_prompts: Sequence[str] = ("a sample",)

    @abstractmethod
    def grid(self, steps: int) -> Grid:
        """Returns the time grid of ``steps`` steps that `prepare` uses."""

    @abstractmethod
    def prepare(self, request: Request) -> Problem:
        """Returns the noise, the time grid and the conditioning of one sample."""

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Calls the model on a batch, whose rows may be at different times.

        Args:
            x: ``(B, ...)`` latents.
            t: ``(B,)`` the rows' `Grid.model_times`.
            conditioning: one entry per row, from `Problem.conditioning`.

        Returns:
            ``(B, ...)`` velocities dx/dsigma (noise minus data), guidance applied.
        """

    def advance(self, x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
        """Returns x after one Euler step, rounded as in diffusers' flow-matching scheduler."""
        return (x.float() + dsigma * v).to(v.dtype)

    def calls_of(self, problem: Problem, steps: Iterable[int]) -> int:
        """Returns the number of network calls (NFE) that computing these steps takes."""
        return sum(problem.calls[k] if problem.calls else self.calls_per_velocity for k in steps)

    @abstractmethod
    def decode(self, x: Tensor, problem: Problem) -> Any:
        """Returns the output of final latents ``(1, ...)``: a PIL image or a `Video`."""

    @property
    def network(self) -> Any:
        """The transformer to whose blocks a cache may be attached; None if there is none."""
        return None

    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor | None:
        """Returns a cheap signal of the model's input, or None if the model has none.

        Args:
            x: ``(B, ...)`` latents.
            t: ``(B,)`` the rows' `Grid.model_times`.
            conditioning: one entry per row, from `Problem.conditioning`.
        """
        return None


@dataclass(frozen=True, kw_only=True)
class Model(ABC):
    """Loads a flow-matching model; heavy imports belong inside `load`.

    Attributes:
        takes_images: whether the model uses the image of a request.
    """

    takes_images: ClassVar[bool] = False

    @abstractmethod
    def load(self, device: str = "cpu", dtype: str = "float32") -> FlowModel:
        """Loads the model.

        Args:
            device: a torch device, such as ``cpu`` or ``cuda:0``.
            dtype: a torch floating dtype, such as ``float32`` or ``bfloat16``.
        """

    def prompts(self, count: int) -> list[Prompt]:
        """Returns up to ``count`` prompts of the model's own, if it has any."""
        return []


class ModelWrapper(FlowModel):
    """Delegates to the model inside; subclasses override a part of it."""

    def __init__(self, model: FlowModel):
        self.model, self.key = model, model.key
        self.calls_per_velocity = model.calls_per_velocity
        self.example_prompts = model.example_prompts

    @property
    def network(self) -> Any:
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


class LatentsOnly(ModelWrapper):
    """Leaves the final latents undecoded."""

    def decode(self, x: Tensor, problem: Problem) -> None:
        """Returns None."""


@dataclass(frozen=True, kw_only=True)
class Probe(ABC):
    """Computes the cheap signal of one class of transformer, whose name is its catalog name."""

    @abstractmethod
    def signal(self, transformer: Any, inputs: Mapping[str, Any]) -> Tensor:
        """Returns the input of the first block, ``(B, N, D)``, without calling a block.

        Args:
            transformer: the network.
            inputs: the arguments of its ``forward``, by name.
        """
