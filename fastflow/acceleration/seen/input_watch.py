"""Sees from a network's arguments where the velocity stops to continue.

Guidance that ends halves the batch or drops a call, a control that ends changes its scale, a
callback may change the prompt. Nothing is extrapolated from before such a change to after it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Leaves = dict[Hashable, Any]
SIMPLE = (bool, int, float, str, type(None))
DEEPEST = 3  # levels of lists and mappings that are looked into


@dataclass
class InputWatch:
    """Compares the arguments of each network call with those of the same call of the step before.

    A change of a shape, a type or a name is a change. A change of a value is one too, unless the
    value differs from step to step, as latents and times do: those that differ between the first
    two steps, or twice in a row. Tensors are compared by identity, without reading them.
    """

    _last: dict[int, Leaves] = field(default_factory=dict)
    _varying: set[tuple[int, Hashable]] = field(default_factory=set)
    _changed: dict[tuple[int, Hashable], int] = field(default_factory=dict)
    _count: dict[int, int] = field(default_factory=dict)

    def is_new(self, turn: int, now: Leaves) -> bool:
        """Returns whether the arguments changed, and keeps them.

        Args:
            turn: the index of the call within its step.
            now: the arguments, as `leaves` returns them.
        """
        number = self._count[turn] = self._count.get(turn, -1) + 1
        before = self._last.get(turn)
        self._last[turn] = {
            key: _kind(value) if (turn, key) in self._varying else _seen(value)
            for key, value in now.items()
        }
        if before is None:
            return False
        if before.keys() != now.keys():
            return True
        found = [self._differs((turn, key), before[key], now[key], number) for key in now]
        return any(found)

    def _differs(self, key: tuple[int, Hashable], before: Any, now: Any, number: int) -> bool:
        if before.kind != _kind(now).kind:
            return True
        if key in self._varying or before.equals(now):
            return False
        if number == 1 or self._changed.get(key) == number - 1:
            self._varying.add(key)
        self._changed[key] = number
        return number > 1


@dataclass(frozen=True)
class _Seen:
    """Holds a leaf as it was: its kind, and where needed its value."""

    kind: Hashable
    value: Any = None
    version: int | None = None
    has_value: bool = True

    def equals(self, now: Any) -> bool:
        if not self.has_value:
            return True
        if isinstance(now, Tensor):
            return self.value is now and self.version == _version(now)
        return self.value == now


def _kind(value: Any) -> _Seen:
    # not the data type: some pipelines begin in float32, and go on in the model's
    kind = tuple(value.shape) if isinstance(value, Tensor) else type(value)
    return _Seen(kind, has_value=False)


def _seen(value: Any) -> _Seen:
    kind = _kind(value).kind
    if isinstance(value, Tensor):
        return _Seen(kind, value, _version(value))
    return _Seen(kind, value, has_value=isinstance(value, SIMPLE))


def _version(tensor: Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version


def leaves(args: tuple, kwargs: Mapping[str, Any]) -> Leaves:
    """Returns the arguments of a call one by one, with what lists and mappings hold."""
    return dict(_flat((), dict(enumerate(args)) | dict(kwargs), 0))


def settings(pipe: Any) -> Leaves:
    """Returns the numbers, texts and switches among a pipeline's attributes."""
    return {name: value for name, value in vars(pipe).items() if isinstance(value, SIMPLE)}


def _flat(path: tuple, value: Any, depth: int) -> Iterator[tuple[tuple, Any]]:
    if depth > DEEPEST or not isinstance(value, (Mapping, list, tuple)):
        yield path, value
        return
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    yield (*path, "kind"), type(value).__name__
    for key, one in items:
        yield from _flat((*path, key), one, depth + 1)
