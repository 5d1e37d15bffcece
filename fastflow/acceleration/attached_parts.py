"""Keeps an interceptor on the parts that a pipeline has now, and takes it off again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol
from weakref import ref

from fastflow.acceleration.following.reasons import NO_PICKLE
from fastflow.acceleration.interception import Interceptor, attach, detach, interceptors_of
from fastflow.acceleration.pipeline_parts import PipelineParts

MOST_LOOKED_AT = 64  # of a list


class Owner(Interceptor, Protocol):
    """Receives the calls of a pipeline and of its parts."""

    def scheduler_was_copied(self) -> None:
        """Is called whenever the scheduler is copied."""


class Relay:
    """Passes the calls of parts on for as long as its owner is there, and holds nobody alive.

    Parts may be shared, and outlive the pipeline.

    Args:
        owner: receives the calls.
    """

    def __init__(self, owner: Owner):
        self._parts: list[ref[Any]] = []
        self._owner = ref(owner, self._leave)

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Answers a call of a part."""
        owner = self._owner()
        if owner is None:
            return plain(*args, **kwargs)
        return owner(thing, name, plain, args, kwargs)

    def attach(self, part: Any, *names: str, copied: Callable[[], None] | None = None) -> None:
        """Intercepts the named methods of a part."""
        if self not in interceptors_of(part):
            attach(part, self, *names, copied=copied)
            self._parts.append(ref(part))

    def detach(self, *parts: Any) -> None:
        """Takes the interceptor off parts."""
        for part in parts:
            detach(part, self)
        self._parts = [one for one in self._parts if all(one() is not part for part in parts)]

    def scheduler_was_copied(self) -> None:
        """Tells the owner that the scheduler was copied."""
        owner = self._owner()
        if owner is not None:
            owner.scheduler_was_copied()

    def _leave(self, owner: Any) -> None:
        self.detach(*(part for one in self._parts if (part := one()) is not None))


class AttachedParts:
    """Intercepts a pipeline and the parts that it has now.

    Args:
        pipe: the pipeline.
        owner: receives the calls.

    Attributes:
        now: the parts.

    Raises:
        ValueError: if the pipeline cannot be accelerated.
    """

    def __init__(self, pipe: Any, owner: Owner):
        self._pipe, self._relay = pipe, Relay(owner)
        self._others: list[Any] = []
        self.now = PipelineParts.of(pipe)
        self._attach()
        try:
            attach(pipe, owner, "__call__", pickles=NO_PICKLE)
        except TypeError as error:
            self._detach()
            raise self._refusal(error) from error

    def renew(self) -> None:
        """Switches to the parts that the pipeline has by now; those that stay are not touched.

        Raises:
            ValueError: if the pipeline cannot be accelerated with them.
        """
        if self.now.are_missing(self._pipe):
            return
        current = PipelineParts.of(self._pipe, self.now.scheduler)
        if not current.are_those_of(self.now):
            self._detach()
            self.now = current
        self._attach()

    def detach(self, owner: Owner) -> None:
        """Takes the owner off the pipeline and all parts."""
        detach(self._pipe, owner)
        self._detach()

    def watch_others(self, values: Iterable[Any]) -> None:
        """Intercepts the steps of other schedulers among what a pipeline's call holds."""
        for one in filter(_is_scheduler, _flat(values)):
            if one is not self.now.scheduler:
                self._relay.attach(one, "step")
                self._others.append(one)

    def release_others(self) -> None:
        """Takes the interceptor off the other schedulers."""
        self._relay.detach(*self._others)
        self._others.clear()

    def _attach(self) -> None:
        relay = self._relay
        try:
            copied = relay.scheduler_was_copied
            relay.attach(self.now.scheduler, "set_timesteps", "step", copied=copied)
            for network in self.now.networks.values():
                relay.attach(network, "__call__")
        except TypeError as error:
            self._detach()
            raise self._refusal(error) from error

    def _detach(self) -> None:
        self.release_others()
        self._relay.detach(self.now.scheduler, *self.now.networks.values())

    def _refusal(self, error: Exception) -> ValueError:
        kind = type(self._pipe).__name__
        return ValueError(f"`pipe` ({kind}) cannot be accelerated: {error}.")


def _is_scheduler(one: Any) -> bool:
    cls = type(one)
    return hasattr(cls, "step") and hasattr(cls, "set_timesteps")


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """Yields values, and what lists and mappings among them hold."""
    for value in values:
        yield value
        if isinstance(value, dict):
            yield from list(value.values())[:MOST_LOOKED_AT]
        elif isinstance(value, (list, tuple)):
            yield from value[:MOST_LOOKED_AT]
