"""A policy's memory across samples: a value that can be frozen, merged, printed and stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Memory:
    """Holds what a policy has learned; this base class is for policies that learn nothing.

    Attributes:
        samples: how many samples it has learned from.
        frozen: whether it is read-only; with a frozen memory a policy neither learns nor explores.
        key: the settings it was learned with (model, grid, arms, ...); it is valid for no others.
    """

    samples: int = 0
    frozen: bool = False
    key: dict[str, Any] | None = None

    def freeze(self) -> Memory:
        """Makes the memory read-only and returns it."""
        self.frozen = True
        return self

    def merge(self, other: Memory) -> None:
        """Adds what another memory of the same key has learned.

        Raises:
            ValueError: if the keys differ.
        """
        check_key(self.key, other.key, "merged")
        self.samples += other.samples

    def to_dict(self) -> dict[str, Any]:
        """Returns the content in JSON types."""
        return {"samples": self.samples, "key": self.key}

    def load_dict(self, content: dict[str, Any]) -> None:
        """Replaces the content by one that `to_dict` returned, of the same key.

        Raises:
            ValueError: if the key differs.
            KeyError: if an entry is missing.
        """
        check_key(self.key, content["key"], "loaded")
        self.samples = int(content["samples"])

    def summary(self) -> str:
        """Returns the learned content as a plain-text table."""
        return f"nothing to learn; {self.samples} samples seen"


def check_key(own: dict[str, Any] | None, other: dict[str, Any] | None, verb: str) -> None:
    """Raises a ValueError that names every entry in which two keys differ."""
    if own == other:
        return
    a, b = own or {}, other or {}
    differing = [
        f"{name}: here {a.get(name)!r}, there {b.get(name)!r}"
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name)
    ]
    raise ValueError(
        f"this memory cannot be {verb}: it was learned with other settings "
        f"({'; '.join(differing)}). "
        "Learn again, or run with the same settings."
    )
