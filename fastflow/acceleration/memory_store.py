"""The memories of one pipeline: one for each time grid, all in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastflow.integration.grid import Grid
from fastflow.policies.learning import Learning
from fastflow.policies.memory import Memory, check_key
from fastflow.sampling.storage import read_memory, write_whole


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

    def of(self, grid: Grid) -> Memory:
        """Returns the memory of a grid; an empty one if the grid is new.

        Raises:
            ValueError: if the memory loaded for this grid was learned with other settings.
        """
        if grid.digest not in self._used:
            memory = self.learning.empty(grid)
            if grid.digest in self._loaded:
                memory.load_dict(self._loaded[grid.digest])
                del self._loaded[grid.digest]
            self._used[grid.digest] = memory
        memory = self._used[grid.digest]
        memory.frozen = self.frozen
        return memory

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

        What was learned here on the same grids is replaced.

        Raises:
            ValueError: naming the file, if it is not such a file or is of another pipeline.
        """
        with read_memory(Path(path)) as content:
            for memory in content.get("memories", [content]):
                theirs = {name: memory["key"].get(name) for name in self.key}
                check_key(self.key, theirs, "loaded")
                self._loaded[memory["key"]["grid"]] = memory
                self._used.pop(memory["key"]["grid"], None)
        return self

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
