"""Gates on the methods of single objects: put on and taken off without a trace.

A gated object belongs to a generated subclass of its own class, of the same name, whose methods
pass through the gates. So a gate lies outside whatever wraps the object's own methods:
`torch.compile`, accelerate's hooks and diffusers' caches never see it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

MARK = "_fastflow_gates"


class Interceptor(Protocol):
    """Stands before the methods of an object and decides what becomes of a call."""

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Answers a call, by calling ``plain(*args, **kwargs)`` or otherwise."""


def attach(thing: Any, gate: Interceptor, *names: str) -> None:
    """Puts a gate before the named methods of an object; the gate put on last is the outermost."""
    if MARK not in vars(thing):
        vars(thing)[MARK] = []
        # not setattr: a compiled module hands attributes on to the module it wraps
        object.__setattr__(thing, "__class__", _gated(type(thing), names))
    vars(thing)[MARK].append(gate)


def detach(thing: Any, gate: Interceptor) -> None:
    """Takes a gate off again; with the last one the object gets its own class back."""
    vars(thing)[MARK].remove(gate)
    if not vars(thing)[MARK]:
        del vars(thing)[MARK]
        object.__setattr__(thing, "__class__", type(thing).__mro__[1])


def interceptors_of(thing: Any) -> tuple[Interceptor, ...]:
    """Returns the gates on an object."""
    return tuple(vars(thing).get(MARK, ()))


def own_class(thing: Any) -> type:
    """Returns the class of an object as it is without gates."""
    return type(thing).__mro__[1] if MARK in vars(thing) else type(thing)


@functools.cache
def _gated(cls: type, names: tuple[str, ...]) -> type:
    """Returns a subclass of the same name, with methods that pass through gates."""
    named = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
    }
    return type(cls.__name__, (cls,), named | {name: _through(cls, name) for name in names})


def _through(cls: type, name: str) -> Callable:
    original = getattr(cls, name)

    @functools.wraps(original)
    def method(self, *args, **kwargs):
        plain = functools.partial(original, self)
        for gate in interceptors_of(self):
            plain = functools.partial(_pass, gate, self, name, plain)
        return plain(*args, **kwargs)

    return method


def _pass(gate: Interceptor, thing: Any, name: str, plain: Callable, *args, **kwargs) -> Any:
    return gate(thing, name, plain, args, kwargs)
