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
Seen = dict[Hashable, tuple[Any, Any, Any]]  # of each leaf its kind, its value and its version
SIMPLE = frozenset((bool, int, float, str, type(None)))
CONTAINERS = frozenset((list, tuple, dict))
DEEPEST = 3  # levels of lists and mappings that are looked into


@dataclass
class InputWatch:
    """Compares the arguments of each network call with those of the same call of the step before.

    A change of a shape, a type or a name is a change. A change of a value is one too, unless the
    value differs from step to step, as latents and times do: those that differ between the first
    two steps, or twice in a row. Tensors are compared by identity, without reading them.
    """

    _last: dict[int, Seen] = field(default_factory=dict)  # by turn
    _varying: dict[int, set[Hashable]] = field(default_factory=dict)
    _changed: dict[int, dict[Hashable, int]] = field(default_factory=dict)
    _count: dict[int, int] = field(default_factory=dict)

    def is_new(self, turn: int, now: Leaves) -> bool:
        """Returns whether the arguments changed, and keeps them.

        Args:
            turn: the index of the call within its step.
            now: the arguments, as `leaves` returns them.
        """
        number = self._count[turn] = self._count.get(turn, -1) + 1
        varying = self._varying.setdefault(turn, set())
        before, seen = self._last.get(turn), _seen(now, varying)
        self._last[turn] = seen
        if before is None:
            return False
        if before.keys() != seen.keys():
            return True
        is_new = False
        for key, (kind, value, version) in seen.items():
            old_kind, old_value, old_version = before[key]
            if kind != old_kind:
                is_new = True
            elif value is not old_value or version != old_version:
                is_new |= self._differs(turn, key, value, old_value, number)
        return is_new

    def _differs(self, turn: int, key: Hashable, value: Any, old: Any, number: int) -> bool:
        """Returns whether a leaf whose value may have changed did so for the first time."""
        varying, changed = self._varying[turn], self._changed.setdefault(turn, {})
        if key in varying or (value is not old and type(value) in SIMPLE and value == old):
            return False
        if number == 1 or changed.get(key) == number - 1:
            varying.add(key)
        changed[key] = number
        return number > 1


def _seen(now: Leaves, varying: set[Hashable]) -> Seen:
    """Returns the leaves as they are; values that differ from step to step are not kept alive."""
    seen: Seen = {}
    for key, value in now.items():
        if isinstance(value, Tensor):
            # not the data type: some pipelines begin in float32, and go on in the model's
            kept = key not in varying
            seen[key] = value.shape, value if kept else None, version_of(value) if kept else None
        else:
            cls = type(value)
            seen[key] = cls, value if cls in SIMPLE and key not in varying else None, None
    return seen


def version_of(tensor: Tensor) -> int | None:
    """Returns how often a tensor was written to; None where that is not counted."""
    return None if tensor.is_inference() else tensor._version


def leaves(args: tuple, kwargs: Mapping[str, Any]) -> Leaves:
    """Returns the arguments of a call one by one, with what lists and mappings hold."""
    found: Leaves = {}
    for items in (enumerate(args), kwargs.items()):
        for key, value in items:
            if type(value) in CONTAINERS:
                found.update(_flat((key,), value, 1))
            else:
                found[key] = value
    return found


def settings(pipe: Any) -> Leaves:
    """Returns the numbers, texts and switches among a pipeline's attributes."""
    return {name: value for name, value in vars(pipe).items() if type(value) in SIMPLE}


def hidden_state(network: Any, inputs: Leaves) -> Leaves:
    """Returns what a callback may change of a network call without changing an argument.

    That is the scale of an adapter, the weights, and what a tensor holds where writing to it is
    not counted. It takes about two milliseconds for a network of a thousand modules; layers of
    torch itself are passed over, because they have little to change.
    """
    state: list[Any] = []
    for module in network.modules():
        if type(module).__module__.startswith("torch.nn."):
            continue
        for value in vars(module).values():
            kind = type(value)
            if kind in SIMPLE:
                state.append(value)
            elif kind in CONTAINERS:
                inner = value.values() if kind is dict else value
                state += (one for one in inner if type(one) in SIMPLE)
    state += (mark for p in network.parameters() for mark in (id(p), version_of(p)))
    sums = {
        (key, "sum"): float(value.sum())
        for key, value in inputs.items()
        if isinstance(value, Tensor) and version_of(value) is None
    }
    return {"network": hash(tuple(state)), **sums}


def takes_gradients(network: Any, inputs: Leaves) -> bool:
    """Returns whether a network's outputs will have gradients, where they are enabled."""
    values = (value for value in inputs.values() if isinstance(value, Tensor))
    return any(one.requires_grad for one in (*values, *network.parameters()))


def _flat(path: tuple, value: Any, depth: int) -> Iterator[tuple[tuple, Any]]:
    yield (*path, "kind"), type(value).__name__
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if type(one) in CONTAINERS and depth < DEEPEST:
            yield from _flat((*path, key), one, depth + 1)
        else:
            yield (*path, key), one
