"""The memories of one pipeline: one for each time grid, all in one file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from fastflow.integration.grid import Grid
from fastflow.policies.learning import Learning
from fastflow.policies.memory import Memory, check_key, checked_count
from fastflow.sampling.storage import read_memory, write_whole

MOST_STEPS = 100_000  # no trajectory has as many; a larger table would fill the memory


class MemoryStore:
    """What a policy has learned on a pipeline: a `Memory` for each time grid it was used on.

    Another number of steps, or an image size that shifts the grid, has a memory of its own.

    Args:
        learning: the policy that learns, with its scheme and the pipeline's name; a file that was
            saved with another extrapolator or for another pipeline is refused.
    """

    def __init__(self, learning: Learning):
        self.learning, self.key = learning, learning.key
        self.frozen = False
        self._used: dict[str, Memory] = {}
        self._loaded: dict[str, dict[str, Any]] = {}  # from a file, until their grid is used

    @property
    def samples(self) -> int:
        """The number of pipeline calls that it has learned from."""
        loaded = sum(content["samples"] for content in self._loaded.values())
        return loaded + sum(memory.samples for memory in self._used.values())

    def of(self, grid: Grid, learning: Learning | None = None, *, frozen: bool = False) -> Memory:
        """Returns the memory of a grid; an empty one if the grid is new.

        Args:
            grid: the time grid.
            learning: what it is used with; if it differs from the learning policy of this store,
                the memory has to fit it as one from a file has to.
            frozen: whether this user only reads it. The others may still learn into it.

        Raises:
            ValueError: if the memory of this grid was learned with other settings.
        """
        frozen = frozen or self.frozen
        memory = self._used.get(grid.digest)
        if memory is None:
            memory = self.learning.empty(grid)
            if grid.digest in self._loaded:
                memory.load_dict(self._loaded[grid.digest])
            if not frozen or self._loaded.pop(grid.digest, None):  # a frozen one does not grow
                self._used[grid.digest] = memory
                self._loaded.pop(grid.digest, None)
        if learning is not None and learning != self.learning:
            _check_memory(memory, learning.empty(grid))
        return copy.copy(memory).freeze() if frozen else memory

    def freeze(self) -> MemoryStore:
        """Makes all memories read-only and returns the store."""
        self.frozen = True
        return self

    def save(self, path: str | Path) -> None:
        """Writes all memories into one JSON file."""
        content = {"memories": self.to_list(), "summary": self.summary().splitlines()}
        write_whole(Path(path), json.dumps(content, indent=1))

    def load(self, path: str | Path) -> MemoryStore:
        """Loads a file that `save` wrote for the same pipeline, and returns the store.

        What was learned here on the same grids is replaced; nothing is, if the file is refused.

        Raises:
            ValueError: naming the file, if it is not such a file, is of another pipeline, or holds
                anything that could not be used on its grid.
        """
        with read_memory(Path(path)) as content:
            found = content.get("memories", [content])
            for memory in found:
                self._check(memory)
            for memory in found:
                self._loaded[memory["key"]["grid"]] = memory
                self._used.pop(memory["key"]["grid"], None)
        return self

    def _check(self, content: dict[str, Any]) -> None:
        """Raises a ValueError unless this store's policy can use a memory on its grid."""
        key = content["key"] or {}
        check_key(self.key, {name: key.get(name) for name in self.key}, "loaded")
        steps = checked_count("steps", key["steps"])
        if not (1 <= steps <= MOST_STEPS and isinstance(key["grid"], str)):
            raise ValueError(
                f"`key` must name a grid of 1 to {MOST_STEPS} steps, got {key['grid']!r:.60} of "
                f"{steps}."
            )
        # what its table must be like depends on the number of steps alone; the grid's sigmas,
        # which no file holds, are compared by their digest when the grid is used
        trial = self.learning.empty(Grid.even(steps))
        if trial.key is not None:
            trial.key |= {"grid": key["grid"]}
        trial.load_dict(content)

    def to_list(self) -> list[dict[str, Any]]:
        """Returns the content of every memory in JSON types."""
        used = [m.to_dict() for m in self._used.values() if m.key is not None]
        return [*used, *self._loaded.values()]

    def summary(self) -> str:
        """Returns what was learned as plain text, one table for each grid."""
        tables = [
            f"grid {digest}, {memory.samples} calls\n{memory.summary()}"
            for digest, memory in self._used.items()
        ]
        return "\n\n".join(tables) or "nothing learned yet"


def _check_memory(memory: Memory, wanted: Memory) -> None:
    """Raises a ValueError unless a memory is what another policy's memory of the grid would be."""
    check_key(wanted.key, memory.key, "used")
    if type(memory) is not type(wanted):
        raise ValueError(
            f"this memory cannot be used: it is a {type(memory).__name__}, and the policy has a "
            f"{type(wanted).__name__}. Learn again, or use the policy that learned."
        )


def memory_store(memory: MemoryStore | str | Path | None, learning: Learning) -> MemoryStore:
    """Returns the memories to use: those handed over, those of a file, or new ones.

    Raises:
        ValueError: if it is none of these, or was learned with other settings.
    """
    if isinstance(memory, MemoryStore):
        check_key(learning.key, memory.key, "used")
        return memory
    if memory is None:
        return MemoryStore(learning)
    if isinstance(memory, (str, Path)):
        return MemoryStore(learning).load(memory)
    raise ValueError(
        f"`memory` must be a file, or the `memory` of what enable() returned, got {memory!r}."
    )
