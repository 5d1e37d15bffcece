"""One call of a scheduler's `step`, whatever its arguments are called, and what it does to x."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor

from fastflow.acceleration.interception import own_class

LARGEST_DEVIATION = 0.01  # of an Euler step's own length


USUAL_NAMES = ("model_output", "timestep", "sample")


class SchedulerStep:
    """Holds the arguments of a call of ``step``, whose first three are v, t and x.

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

    Raises:
        KeyError: if one of the three is missing.
    """

    def __init__(self, scheduler: Any, plain: Callable, args: tuple, kwargs: dict):
        self._plain, self._args, self._kwargs = plain, list(args), dict(kwargs)
        self._names = _names(own_class(scheduler))
        self.v, self.time, self.x = (
            args[i] if i < len(args) else kwargs[name] for i, name in enumerate(self._names)
        )
        self.output: Any = None

    def take(self, x: Tensor, v: Tensor) -> Tensor:
        """Takes the step from other latents with another velocity, and returns the next x."""
        for i, value in ((0, v), (2, x)):
            if i < len(self._args):
                self._args[i] = value
            else:
                self._kwargs[self._names[i]] = value
        self.output = self._plain(*self._args, **self._kwargs)
        if isinstance(self.output, Tensor):
            return self.output
        named = hasattr(self.output, "prev_sample")
        return self.output.prev_sample if named else self.output[0]

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


@cache
def _names(cls: type) -> Sequence[str]:
    """Returns the names of v, t and x, from the first class that gives all three a name."""
    for one in cls.__mro__:
        if "step" in vars(one):
            named = list(inspect.signature(vars(one)["step"]).parameters.values())[1:4]
            if len(named) == 3 and all(p.kind is p.POSITIONAL_OR_KEYWORD for p in named):
                return [p.name for p in named]
    return USUAL_NAMES


def _generators(value: Any) -> Iterator[torch.Generator]:
    for one in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(one, torch.Generator):
            yield one
