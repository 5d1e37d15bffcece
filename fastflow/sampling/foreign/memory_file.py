"""What every memory file holds, whatever its policy learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastflow.sampling.foreign.schema import Count, check_schema


@dataclass(frozen=True)
class StoredGram:
    """States the stored form of a `MeanGram`, ``(T, T)``."""

    matrix: list[list[float | None]] | None
    count: Count = 0


@dataclass(frozen=True)
class StoredMemory:
    """States the entries that all memories have; `Memory.load_dict` checks the others."""

    samples: Count
    key: Mapping[str, Any] | None
    gram: StoredGram | None = None
    learning_calls: Count = 0
    summary: list[str] | None = None


def check_memory(content: Any, where: str) -> None:
    """Raises a ValueError, beginning with ``where``, unless content is that of a memory file.

    Such a file holds one memory, or ``memories``, one for each time grid.
    """
    many = content.get("memories") if isinstance(content, dict) else None
    if many is None:
        check_schema(StoredMemory, content, where)
        return
    check_schema(list[dict[str, Any]], many, f"{where}, `memories`:")
    for i, memory in enumerate(many):
        check_schema(StoredMemory, memory, f"{where}, `memories.{i}`:")
