"""One call of a scheduler's `step`, whatever its arguments are called, and what it does to x."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from fastflow.acceleration.interception import own_class

LARGEST_DEVIATION = 0.01  # of an Euler step's own length
NOTHING = torch.empty(0)

USUAL_NAMES = ("model_output", "timestep", "sample")
NOWHERE = sys.maxsize  # the place of an argument that a step does not have


class SchedulerStep:
    """Holds the arguments of a call of ``step``.

    Those that matter are v, t and x: by their usual names, or else the first three.

    Args:
        scheduler: the scheduler, whose class shows the names of the arguments.
        plain: the method to call.
        args: the positional arguments.
        kwargs: the keyword arguments.

    Attributes:
        v: the velocity ``(B, ...)`` handed over; another scheduler's "model output".
        time: the time handed over, one of the scheduler's timesteps.
        x: the latents ``(B, ...)``.
        output: what the method returned; None before it was called.
    """

    def __init__(self, scheduler: Any, plain: Callable, args: tuple, kwargs: dict):
        self._plain, self._args, self._kwargs = plain, list(args), dict(kwargs)
        self._places = _places(own_class(scheduler))
        self.v: Any
        self.time: Any
        self.x: Any
        self.v, self.time, self.x = (
            args[i] if i < len(args) else kwargs.get(name) for i, name in self._places
        )
        self.output: Any = None

    @property
    def is_usual(self) -> bool:
        """Whether there are a velocity and latents among the arguments."""
        return isinstance(self.v, Tensor) and isinstance(self.x, Tensor)

    def pass_on(self, *ignored: Any) -> Any:
        """Calls the method with its own arguments, and returns what it returned."""
        self.output = self._plain(*self._args, **self._kwargs)
        return self.output

    def take(self, x: Tensor, v: Tensor) -> Tensor:
        """Takes the step from other latents with another velocity.

        Returns:
            The next latents; nothing, ``(0,)``, if the method returned none that can be found.
        """
        for (i, name), value in ((self._places[0], v), (self._places[2], x)):
            if i < len(self._args):
                self._args[i] = value
            else:
                self._kwargs[name] = value
        self.pass_on()
        if type(self.output) is tuple and self.output and isinstance(self.output[0], Tensor):
            return self.output[0]
        return next((one for one in _latents(self.output) if isinstance(one, Tensor)), NOTHING)

    @cached_property
    def generators(self) -> list[torch.Generator]:
        """The random generators among the arguments."""
        return [g for value in (*self._args, *self._kwargs.values()) for g in _generators(value)]

    def random_state(self) -> list[Any]:
        """Returns the state of every generator that the step may draw from."""
        states: list[Any] = [generator.get_state() for generator in self.generators]
        states.append(torch.get_rng_state())
        if self.x.device.type == "cuda":
            index = self.x.device.index or 0
            states.append(torch.tensor(torch.cuda.default_generators[index].get_offset()))
        return states


def direction(x: Tensor, v: Tensor, x_next: Tensor, dsigma: float) -> int:
    """Returns 1 if a step was Euler's, x_next - x = dsigma v; -1 if v was negated; 0 if neither.

    It is 1 too where the step is shorter than the rounding of x. This waits for the device.

    Args:
        x: the latents before the step, ``(B, ...)``.
        v: the velocity handed over, ``(B, ...)``.
        x_next: the latents after the step, ``(B, ...)``.
        dsigma: the change of sigma, negative.
    """
    if not x.shape == v.shape == x_next.shape:
        return 0
    moved, wanted = x_next.float() - x.float(), dsigma * v.float()
    lengths = [one.norm() for one in (moved - wanted, moved + wanted, wanted, x_next.float())]
    off, off_negated, length, size = torch.stack(lengths).tolist()
    rounding = torch.finfo(x_next.dtype).eps * size
    if not length > 2 * rounding:
        return 1
    tolerance = LARGEST_DEVIATION * length + rounding
    return 1 if off <= tolerance else -1 if off_negated <= tolerance else 0


def _latents(output: Any) -> Iterator[Any]:
    """Yields what may be the next latents in what a step returned."""
    yield output
    yield getattr(output, "prev_sample", None)
    if isinstance(output, Mapping):
        yield output.get("prev_sample")
    elif isinstance(output, Sequence):
        yield from output[:1]


@lru_cache(maxsize=16)  # few: it keeps the classes alive
def _places(cls: type) -> Sequence[tuple[int, str]]:
    """Returns the places and names of v, t and x, from the first class that names them."""
    for one in cls.__mro__:
        if "step" in vars(one):
            parameters = list(inspect.signature(vars(one)["step"]).parameters.values())[1:]
            named = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
            if {USUAL_NAMES[0], USUAL_NAMES[2]} <= set(named):
                places = (named.index(name) if name in named else NOWHERE for name in USUAL_NAMES)
                return list(zip(places, USUAL_NAMES))
            if len(named) > 2:
                return list(enumerate(named[:3]))
    return list(enumerate(USUAL_NAMES))


def _generators(value: Any) -> Iterator[torch.Generator]:
    for one in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(one, torch.Generator):
            yield one
