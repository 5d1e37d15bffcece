"""What is learned across samples: a value that can be saved, loaded, frozen, merged, printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastflow.files import write_whole


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

    def save(self, path: str | Path) -> None:
        """Writes it as JSON, atomically: a reader sees the old file or the new one."""
        content = self.to_dict() | {"summary": self.summary().splitlines()}
        write_whole(Path(path), json.dumps(content, indent=1))

    def load(self, path: str | Path) -> Memory:
        """Reads a file that `save` wrote for the same key, and returns itself.

        Raises:
            ValueError: naming the file, if it is no whole memory, or one of another key.
        """
        with read_memory(Path(path)) as content:
            self.load_dict(content)
        return self


@contextmanager
def read_memory(path: Path) -> Iterator[dict[str, Any]]:
    """Gives the content of a saved memory; what goes wrong inside names the file."""
    if not path.is_file():
        raise ValueError(f"`memory` {str(path)!r} does not exist.")
    try:
        yield json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"`memory` {str(path)!r} is not a whole JSON file ({error}): "
            "it was cut off or is something else. Use another copy, or learn anew."
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"`memory` {str(path)!r} is not a memory of this policy ({error!r}). "
            "Use a memory.json that a run of this policy wrote."
        ) from error


def read_summary(path: Path) -> str:
    """Returns the table that `Memory.save` wrote beside what was learned, of whatever policy.

    Raises:
        ValueError: if the file is missing or is no memory.
    """
    try:
        return "\n".join(json.loads(path.read_text())["summary"])
    except FileNotFoundError:
        raise ValueError(f"{str(path)!r} does not exist.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} holds no memory ({error!r}).") from error


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
        "Learn anew, or run with the settings it was learned with."
    )
