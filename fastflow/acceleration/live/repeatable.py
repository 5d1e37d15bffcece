"""A call of a pipeline that can be made again from the same noise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

OUTPUT = "output_type"  # of a pipeline's call; "latent" leaves the decoder out


class Repeatable:
    """Repeats a call with the same arguments and the same state of every random generator.

    Generators are those among the arguments and the global ones of torch.

    Args:
        plain: the method.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """

    def __init__(self, plain: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]):
        self.plain, self.args, self.kwargs = plain, args, kwargs
        self.generators = [
            one
            for value in (*args, *kwargs.values())
            for one in (value if isinstance(value, (list, tuple)) else [value])
            if isinstance(one, torch.Generator)
        ]
        self.start = self._states()

    def again(self) -> Any:
        """Makes the call again, without decoding; the generators are then as they are now."""
        kwargs = dict(self.kwargs)
        if takes(self.plain, OUTPUT):
            kwargs[OUTPUT] = "latent"
        with self._from_start():
            return self.plain(*self.args, **kwargs)

    @contextmanager
    def _from_start(self) -> Iterator[None]:
        now = self._states()
        self._set(self.start)
        try:
            yield
        finally:
            self._set(now)

    def _states(self) -> list[Any]:
        states: list[Any] = [generator.get_state() for generator in self.generators]
        states.append(torch.get_rng_state())
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            states.append(torch.cuda.get_rng_state_all())
        if torch.backends.mps.is_available():
            states.append(torch.mps.get_rng_state())
        return states

    def _set(self, states: Sequence[Any]) -> None:
        rest = iter(states)
        for generator in self.generators:
            generator.set_state(next(rest))
        torch.set_rng_state(next(rest))
        for state in rest:
            if isinstance(state, list):
                torch.cuda.set_rng_state_all(state)
            else:
                torch.mps.set_rng_state(state)


def takes(method: Callable[..., Any], name: str) -> bool:
    """Returns whether a method has a parameter of that name."""
    return name in inspect.signature(method).parameters
