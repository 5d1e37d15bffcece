"""What is learned across samples: a value that can be saved, loaded, frozen, merged, printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastflow.files import write_whole
from fastflow.policies.memory import Memory


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


def save_memory(memory: Memory, path: Path) -> None:
    """Writes a memory as JSON with its table in plain text, whole or not at all."""
    content = memory.to_dict() | {"summary": memory.summary().splitlines()}
    write_whole(path, json.dumps(content, indent=1))


def load_memory(memory: Memory, path: Path) -> Memory:
    """Reads a file that `save_memory` wrote for the same key into a memory, and returns it.

    Raises:
        ValueError: naming the file, if it is not a whole memory, or one of another key.
    """
    with read_memory(path) as content:
        memory.load_dict(content)
    return memory
