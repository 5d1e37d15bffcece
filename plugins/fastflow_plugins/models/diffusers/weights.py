"""Checks that the parts of a loaded pipeline found their own weights in their files.

transformers does not report a file with another model's weights: it draws the missing weights at
random and continues. diffusers leaves weights that are in no file without a value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from fastflow_plugins.models.diffusers.origin import AGAIN, Origin

LEAST_NAMED = 0.5
"""The least share of a part's tensors that its files must name; a prefix may differ."""


def check_weights(pipe: Any, origin: Origin) -> None:
    """Raises a ValueError if a part has weights that are not in its files."""
    for name, part in pipe.components.items():
        if not isinstance(part, nn.Module):
            continue
        folder = None if origin.folder is None else origin.folder / name
        files = sorted(folder.glob("*.safetensors")) if folder else []
        lacking = [key for key, value in part.state_dict().items() if value.is_meta]
        lacking = lacking or (_unnamed(part, files) if files else [])
        if lacking:
            where = " and ".join(map(str, files)) or f"of the part {name!r} in {origin.where}"
            raise ValueError(
                f"the weights {where} are not those of this {type(part).__name__}: {len(lacking)} "
                f"of its {len(part.state_dict())} tensors are missing, such as {lacking[0]!r}. "
                f"{AGAIN}"
            )


def _unnamed(part: nn.Module, files: list[Path]) -> list[str]:
    """Returns the tensors that no file names, if they are too many to differ by name only."""
    from safetensors import safe_open

    found: set[str] = set()
    for file in files:
        with safe_open(file, framework="pt") as weights:
            found |= set(weights.keys())
    ends = {end for key in found for end in _ends(key)}
    own = list(part.state_dict())
    lacking = [key for key in own if key not in ends and key.partition(".")[2] not in found]
    return lacking if len(lacking) > (1 - LEAST_NAMED) * len(own) else []


def _ends(key: str) -> list[str]:
    """Returns a dotted name, then the name without its first word, without two, and so on."""
    words = key.split(".")
    return [".".join(words[i:]) for i in range(len(words))]
