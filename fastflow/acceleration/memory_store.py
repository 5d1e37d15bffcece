"""Memories of one pipeline: apart for each time grid, kept in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastflow.integration.grid import Grid
from fastflow.policies.memory import Memory, check_key
from fastflow.policies.policy import Policy
from fastflow.sampling.storage import read_memory, write_whole


class MemoryStore:
    """What a policy has learned on a pipeline: a `Memory` for each time grid it met.

    Another number of steps, or an image size that shifts the grid, is learned apart.

    Args:
        policy: what learns.
        key: what all of it belongs to, such as the pipeline and the extrapolator.
    """

    def __init__(self, policy: Policy, key: dict[str, Any]):
        self.policy, self.key = policy, key
        self.frozen = False
        self._met: dict[str, Memory] = {}
        self._unmet: dict[str, dict[str, Any]] = {}  # loaded, by the digest of a grid not yet met

    @property
    def samples(self) -> int:
        """How many pipeline calls it has learned from."""
        unmet = sum(content["samples"] for content in self._unmet.values())
        return unmet + sum(memory.samples for memory in self._met.values())

    def of(self, grid: Grid) -> Memory:
        """Returns the memory of a grid; empty if the grid is new.

        Raises:
            ValueError: if what was loaded for this grid was learned with other settings.
        """
        if grid.digest not in self._met:
            memory = self.policy.empty(grid)
            if memory.key is not None:
                memory.key |= self.key
            if grid.digest in self._unmet:
                memory.load_dict(self._unmet[grid.digest])
                del self._unmet[grid.digest]
            self._met[grid.digest] = memory
        memory = self._met[grid.digest]
        memory.frozen = self.frozen
        return memory

    def freeze(self) -> MemoryStore:
        """Marks all of it as read-only and returns it."""
        self.frozen = True
        return self

    def save(self, path: str | Path) -> None:
        """Writes all of it into one JSON file."""
        content = {"memories": self.to_list(), "summary": self.summary().splitlines()}
        write_whole(Path(path), json.dumps(content, indent=1))

    def load(self, path: str | Path) -> MemoryStore:
        """Takes over a file that `save` wrote for the same pipeline, and returns itself.

        Raises:
            ValueError: naming the file, if it is no such file or one of another pipeline.
        """
        with read_memory(Path(path)) as content:
            for one in content.get("memories", [content]):
                theirs = {name: one["key"].get(name) for name in self.key}
                check_key(self.key, theirs, "loaded")
                self._unmet[one["key"]["grid"]] = one
                self._met.pop(one["key"]["grid"], None)
        return self

    def to_list(self) -> list[dict[str, Any]]:
        """Returns the content of every memory in types that JSON knows."""
        met = [m.to_dict() for m in self._met.values() if m.key is not None]
        return [*met, *self._unmet.values()]

    def summary(self) -> str:
        """Returns what was learned as tables in plain text, one for each grid."""
        tables = [
            f"grid {digest}, {memory.samples} calls\n{memory.summary()}"
            for digest, memory in self._met.items()
        ]
        return "\n\n".join(tables) or "nothing learned yet"
