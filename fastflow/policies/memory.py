"""What is learned across samples: a value that can be frozen, merged, printed and stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Memory:
    """A memory of a policy that learns nothing; the base of those that do.

    Attributes:
        samples: how many samples it has learned from.
        frozen: whether it is only read: a frozen memory learns nothing and explores nothing.
        key: what it belongs to (model, grid, arms, ...): it fits nothing else.
    """

    samples: int = 0
    frozen: bool = False
    key: dict[str, Any] | None = None

    def freeze(self) -> Memory:
        """Marks it as read-only and returns it."""
        self.frozen = True
        return self

    def merge(self, other: Memory) -> None:
        """Takes in what another memory with the same key has learned."""
        check_key(self.key, other.key, "merged")
        self.samples += other.samples

    def to_dict(self) -> dict[str, Any]:
        """Returns its content in types that JSON knows."""
        return {"samples": self.samples, "key": self.key}

    def load_dict(self, content: dict[str, Any]) -> None:
        """Takes over a content that `to_dict` gave, of the same key.

        Raises:
            ValueError: if the key differs or something is missing.
        """
        check_key(self.key, content["key"], "loaded")
        self.samples = int(content["samples"])

    def summary(self) -> str:
        """Returns what was learned as a table in plain text."""
        return f"nothing to learn; {self.samples} samples seen"


def check_key(mine: dict[str, Any] | None, theirs: dict[str, Any] | None, verb: str) -> None:
    """Raises a ValueError that names every entry in which two keys differ."""
    if mine == theirs:
        return
    a, b = mine or {}, theirs or {}
    differing = [
        f"{name}: here {a.get(name)!r}, there {b.get(name)!r}"
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name)
    ]
    raise ValueError(
        f"this memory cannot be {verb}: it was learned elsewhere ({'; '.join(differing)}). "
        "Learn again, or run with the settings it was learned with."
    )
