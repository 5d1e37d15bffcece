"""Interceptors of the methods of single objects; taking them off restores the object.

An intercepted object belongs to a generated subclass of its own class, of the same name, whose
methods call the interceptors. So an interceptor is outside of everything that wraps the object's
own methods: `torch.compile`, accelerate's hooks and diffusers' caches do not see it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

MARK = "_fastflow_interceptors"  # the attribute that lists an object's interceptors


class Interceptor(Protocol):
    """Receives the calls of an object's methods and decides what they return."""

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Answers a call, with ``plain(*args, **kwargs)`` or otherwise.

        Args:
            thing: the intercepted object.
            name: the name of the method.
            plain: the method without this interceptor.
            args: the positional arguments of the call.
            kwargs: the keyword arguments of the call.
        """


def attach(thing: Any, interceptor: Interceptor, *names: str) -> None:
    """Intercepts the named methods of an object; the last interceptor is called first."""
    if MARK not in vars(thing):
        vars(thing)[MARK] = []
        # not setattr: a compiled module passes attributes on to the module it wraps
        object.__setattr__(thing, "__class__", _intercepted(type(thing), names))
    vars(thing)[MARK].append(interceptor)


def detach(thing: Any, interceptor: Interceptor) -> None:
    """Takes an interceptor off; without any left, the object gets its own class back."""
    vars(thing)[MARK].remove(interceptor)
    if not vars(thing)[MARK]:
        del vars(thing)[MARK]
        object.__setattr__(thing, "__class__", type(thing).__mro__[1])


def interceptors_of(thing: Any) -> tuple[Interceptor, ...]:
    """Returns the interceptors of an object, in the order in which they were attached."""
    return tuple(getattr(thing, "__dict__", {}).get(MARK, ()))


def own_class(thing: Any) -> type:
    """Returns the class that an object has without interceptors."""
    return type(thing).__mro__[1] if MARK in vars(thing) else type(thing)


@functools.cache
def _intercepted(cls: type, names: tuple[str, ...]) -> type:
    """Returns a subclass of the same name whose named methods call the interceptors."""
    named = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
    }
    return type(cls.__name__, (cls,), named | {name: _method(cls, name) for name in names})


def _method(cls: type, name: str) -> Callable:
    original = getattr(cls, name)

    @functools.wraps(original)
    def method(self, *args, **kwargs):
        plain = functools.partial(original, self)
        for interceptor in interceptors_of(self):
            plain = functools.partial(_call, interceptor, self, name, plain)
        return plain(*args, **kwargs)

    return method


def _call(
    interceptor: Interceptor, thing: Any, name: str, plain: Callable, *args, **kwargs
) -> Any:
    return interceptor(thing, name, plain, args, kwargs)
