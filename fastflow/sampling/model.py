"""Models: how a flow-matching model is loaded, prepared, called, advanced and decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from fastflow.integration.grid import Grid
from fastflow.sampling.request import Problem, Prompt, Request


class FlowModel(ABC):
    """A loaded model, ready to be integrated from noise (sigma = 1) to data (sigma = 0).

    Attributes:
        key: names the model and its settings: memories of other models do not fit.
        calls_per_velocity: network calls in one `velocity` of one sample (guidance branches); the
            most there are, where that varies from step to step (`Problem.calls`).
    """

    key: str
    calls_per_velocity: int = 1

    @abstractmethod
    def grid(self, steps: int) -> Grid:
        """Returns the time grid of ``steps`` steps, as `prepare` will use it."""

    @abstractmethod
    def prepare(self, request: Request) -> Problem:
        """Makes the noise, the time grid and the conditioning of one sample."""

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Calls the model on a batch whose rows may be at different times.

        Args:
            x: ``(B, ...)`` latents.
            t: ``(B,)`` the rows' `Grid.model_times`.
            conditioning: one entry per row, from `Problem.conditioning`.

        Returns:
            ``(B, ...)`` velocities dx/dsigma (noise minus data), guidance applied.
        """

    def advance(self, x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
        """Takes one Euler step, rounding where diffusers' flow-matching scheduler rounds."""
        return (x.float() + dsigma * v).to(v.dtype)

    def calls_of(self, problem: Problem, steps: Iterable[int]) -> int:
        """Returns the network calls that computing these steps of a problem takes."""
        return sum(problem.calls[k] if problem.calls else self.calls_per_velocity for k in steps)

    @abstractmethod
    def decode(self, x: Tensor, problem: Problem) -> Any:
        """Turns final latents ``(1, ...)`` into the output: a PIL image, or a `Video`."""

    @property
    def network(self) -> Any:
        """The transformer whose blocks a cache may be put on; None if there is no such thing."""
        return None

    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor | None:
        """Returns a cheap look at what the model would see, or None where there is none."""
        return None


@dataclass(frozen=True, kw_only=True)
class Model(ABC):
    """A recipe for loading a model; heavy imports belong inside `load`.

    Attributes:
        takes_images: whether the model makes something of a request's reference image.
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
        """Returns up to ``count`` prompts of the model's own world, if it has one."""
        return []


class ModelWrapper(FlowModel):
    """Does what the model inside does; subclasses change a part of it."""

    def __init__(self, model: FlowModel):
        self.model, self.key = model, model.key
        self.calls_per_velocity = model.calls_per_velocity

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


@dataclass(frozen=True, kw_only=True)
class Probe(ABC):
    """Looks at one class of transformer; its name in the catalog is the name of that class."""

    @abstractmethod
    def signal(self, transformer: Any, inputs: Mapping[str, Any]) -> Tensor:
        """Returns what the first block would see, ``(B, N, D)``; calls no block.

        Args:
            transformer: the network.
            inputs: the arguments of its ``forward``, by name.
        """
