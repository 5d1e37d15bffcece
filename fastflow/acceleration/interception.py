"""Interceptors of the methods of single objects; taking them off restores the object.

An intercepted object gets a class of its own: a subclass of its class, of the same name, whose
methods call the interceptors. So an interceptor is outside of everything that wraps the object's
own methods: `torch.compile`, accelerate's hooks and diffusers' caches do not see it.

That class stands for the object's own class wherever somebody uses it as one. `x.__class__` is the
own class, `type(x)` equals it and has the same instances; what is made by it, copies and pickles
are of the own class; what is set on it is set on the own class. The object's attributes stay as
they are. While `torch.compile` traces a caller, the object's calls are not intercepted.
"""

from __future__ import annotations

import copy
import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol
from weakref import ref

import torch

_LOCK = threading.RLock()  # parts are shared, also by pipelines in other threads


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


def attach(
    thing: Any,
    interceptor: Interceptor,
    *names: str,
    copied: Callable[[], None] | None = None,
    pickles: str = "",
) -> None:
    """Intercepts the named methods of an object; the last interceptor is called first.

    Attaching an interceptor that is attached already does nothing.

    Args:
        thing: the object.
        interceptor: receives the calls.
        names: the names of the methods.
        copied: is called whenever the object is copied, or its class makes another one.
        pickles: why the object cannot be pickled meanwhile; if empty, it can.

    Raises:
        TypeError: if the object's class leaves no room for another one.
    """
    with _LOCK:
        found = interceptors_of(thing)
        if interceptor in found:
            return
        old: Any = type(thing) if found else None
        every = {*names, *(old._names if old else ())}
        watchers = [*(old._copied if old else ()), *([copied] if copied else ())]
        _stand_in(thing, own_class(thing), every, [*found, interceptor], watchers, pickles)


def detach(thing: Any, interceptor: Interceptor) -> None:
    """Takes an interceptor off; without any left, the object gets its own class back."""
    with _LOCK:
        if interceptor not in interceptors_of(thing):
            return
        cls: Any = type(thing)
        cls._interceptors.remove(interceptor)
        if not cls._interceptors:
            _set_class(thing, own_class(thing))
            cls._copied.clear()


def interceptors_of(thing: Any) -> tuple[Interceptor, ...]:
    """Returns the interceptors of an object, in the order in which they were attached."""
    cls: Any = type(thing)
    return tuple(cls._interceptors) if _is_stand(cls) and cls._object() is thing else ()


def own_class(thing: Any) -> type:
    """Returns the class that an object has without interceptors."""
    cls: Any = type(thing)
    return cls._own if _is_stand(cls) else cls


def _is_stand(cls: type) -> bool:
    return isinstance(cls, _Stand)


class _Stand:
    """Marks the metaclasses of classes that stand for an object's own class."""


class _Anything:
    """The base of a new class until it gets its real one, which is not told of a subclass."""


def _set_class(thing: Any, cls: type) -> None:
    # not setattr: a compiled module passes attributes on to the module it wraps
    object.__dict__["__class__"].__set__(thing, cls)


def _stand_in(
    thing: Any,
    own: type,
    names: Iterable[str],
    interceptors: Sequence[Interceptor],
    copied: Sequence[Callable[[], None]],
    pickles: str,
) -> None:
    """Gives an object a class of its own with these interceptors, and empties the one before."""
    old: Any = type(thing)
    try:
        cls = _intercepted(thing, own, names)
        state = {"_interceptors": list(interceptors), "_copied": list(copied), "_pickles": pickles}
        for name, value in state.items():
            type.__setattr__(cls, name, value)
        _set_class(thing, cls)
    except (TypeError, AttributeError) as error:
        raise TypeError(f"calls of a {own.__name__} cannot be intercepted: {error}") from error
    if _is_stand(old):
        old._interceptors.clear()
        old._copied.clear()


def _intercepted(thing: Any, own: type, names: Iterable[str]) -> type:
    """Returns the class of one object, whose named methods call the interceptors."""
    body = {
        "__module__": own.__module__,
        "__qualname__": own.__qualname__,
        "__doc__": own.__doc__,
        "__class__": property(own_class, _change_class),
        "__new__": lambda cls, *args, **kwargs: _new(own, args, kwargs),
        "__reduce_ex__": _reduce,
        "__copy__": _copy,
        "__deepcopy__": _deepcopy,
        "_own": own,
        "_object": ref(thing),
        "_names": frozenset(names),
        **{name: _method(own, name) for name in names},
    }
    return _subclass(own, _like(own), body)


def _subclass(own: type, meta: Any, body: dict) -> type:
    """Returns a subclass of which ``own.__init_subclass__`` is not told."""
    refused = TypeError("")
    for base in _empty_classes(own):
        cls = meta(own.__name__, (base,), dict(body))
        try:
            type.__setattr__(cls, "__bases__", (own,))
            return cls
        except TypeError as error:  # its instances have another layout
            refused = error
    raise refused


def _empty_classes(own: Any) -> Iterator[type]:
    """Yields classes that a class may derive from before it derives from ``own``."""
    yield _Anything
    chain = [own.__base__]
    while chain[-1] is not object:
        chain.append(chain[-1].__base__)
    for base in chain[-2::-1]:  # as of `abc.ABC`, which has no attributes of its own
        yield type(base)("_Anything", (base,), {})


def _like(own: Any) -> Any:
    """Returns the class of a class that stands for another one."""
    return type("Stand", (_Stand, type(own)), {
        "__new__": _derive,
        "__call__": lambda cls, *args, **kwargs: _make(cls, args, kwargs),
        "__setattr__": lambda cls, name, value: setattr(own, name, value),
        "__delattr__": lambda cls, name: delattr(own, name),
        "__eq__": lambda cls, other: own is (other._own if _is_stand(other) else other),
        "__hash__": lambda cls: hash(own),
        "__instancecheck__": lambda cls, one: isinstance(one, own),
        "__subclasscheck__": lambda cls, one: issubclass(one, own),
        "__signature__": property(lambda cls: inspect.signature(own)),
    })  # fmt: skip


def _derive(meta: Any, name: str, bases: tuple, body: dict, **options: Any) -> Any:
    """Returns a new class; where somebody derives it from a stand, a plain one."""
    kind = meta.__bases__[1]
    if not any(map(_is_stand, bases)):
        return kind.__new__(meta, name, bases, body)
    plain = tuple(base._own if _is_stand(base) else base for base in bases)
    return kind(name, plain, body, **options)


def _make(cls: Any, args: tuple, kwargs: dict) -> Any:
    """Makes an object of the own class, by the class that stands for it."""
    _note_copy(cls)
    return cls._own(*args, **kwargs)


def _note_copy(cls: Any) -> None:
    for copied in tuple(cls._copied):
        copied()


def _new(own: Any, args: tuple, kwargs: dict) -> Any:
    made = own.__new__
    return made(own) if made is object.__new__ else made(own, *args, **kwargs)


def _change_class(thing: Any, cls: type) -> None:
    """Gives the object another class of its own; its interceptors stay."""
    with _LOCK:
        old: Any = type(thing)
        _stand_in(thing, cls, old._names, old._interceptors, old._copied, old._pickles)


def _method(own: type, name: str) -> Callable:
    @functools.wraps(getattr(own, name))
    def method(self, *args, **kwargs):
        if torch.compiler.is_compiling():  # an interceptor is not for tracing
            return getattr(own, name)(self, *args, **kwargs)
        # looked up now: somebody may have put another on the class
        plain = functools.partial(getattr(own_class(self), name), self)
        found = interceptors_of(self)
        if not found:  # taken off by now
            return plain(*args, **kwargs)
        for interceptor in found[:-1]:
            plain = functools.partial(_call, interceptor, self, name, plain)
        return found[-1](self, name, plain, args, kwargs)

    return method


def _call(
    interceptor: Interceptor, thing: Any, name: str, plain: Callable, *args, **kwargs
) -> Any:
    return interceptor(thing, name, plain, args, kwargs)


def _reduce(thing: Any, protocol: Any) -> Any:
    """Returns how to make a plain object again, for `pickle`."""
    if type(thing)._pickles:
        raise TypeError(type(thing)._pickles)
    return _plain_parts(thing, protocol)


def _plain_parts(thing: Any, protocol: Any) -> Any:
    """Returns what ``__reduce_ex__`` of the own class says, about an object of the own class."""
    stand: type = type(thing)
    own: Any = own_class(thing)
    reduced = own.__reduce_ex__(thing, protocol)
    if isinstance(reduced, str):
        return reduced
    make, args, *rest = reduced
    plain = tuple(own if part is stand else part for part in args)
    return (make, plain, *rest)


def _copy(thing: Any) -> Any:
    own: Any = own_class(thing)
    _note_copy(type(thing))
    if hasattr(own, "__copy__"):
        return own.__copy__(thing)
    return _made(thing, None, _plain_parts(thing, 4))


def _deepcopy(thing: Any, memo: dict) -> Any:
    own: Any = own_class(thing)
    _note_copy(type(thing))
    if hasattr(own, "__deepcopy__"):
        return own.__deepcopy__(thing, memo)
    return _made(thing, memo, _plain_parts(thing, 4))


def _made(thing: Any, memo: dict | None, reduced: Any) -> Any:
    """Returns the copy that ``__reduce_ex__`` describes; with a memo it is deep."""
    if isinstance(reduced, str):
        return thing
    return copy._reconstruct(thing, memo, *reduced)  # type: ignore[attr-defined]
