"""BAGEL's official files, which are found and checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from fastflow.sampling import check_schema, check_tensors, parse_json, read_bounded
from fastflow_plugins.models.diffusers import AGAIN, check_settings, download, has

NAMES = (
    "llm_config.json",
    "vit_config.json",
    "ema.safetensors",
    "ae.safetensors",
    "vocab.json",
    "merges.txt",
)
SIZE = Annotated[int, Field(ge=1, le=10**7)]
NUMBERS = ("rope_theta", "rms_norm_eps", "layer_norm_eps")
POSITIVE = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TOKENIZERS = ("tokenizer_config.json", "tokenizer.json")  # used if they are there


@dataclass(frozen=True)
class Files:
    """Reads BAGEL's files from a folder.

    Args:
        folder: the folder that contains them.
    """

    folder: Path

    @classmethod
    def find(cls, path: str, revision: str | None = None) -> Files:
        """Finds the files in a folder, or downloads them from the hub.

        Raises:
            ValueError: naming what is missing.
        """
        folder = Path(path).expanduser()
        if folder.exists():
            files = cls(folder)
            files._check()
            return files
        wanted = "is not a BAGEL: it holds no {}"
        found = [download(path, name, revision, wanted.format(name)) for name in NAMES]
        for name in TOKENIZERS:
            has(path, name, revision)
        return cls(found[0].parent)

    def _check(self) -> None:
        """Raises a ValueError if a file is missing."""
        if not self.folder.is_dir():
            raise ValueError(
                f"`path` {str(self.folder)!r} is a file. Give the folder of BAGEL's files."
            )
        missing = [name for name in NAMES if not (self.folder / name).is_file()]
        if missing:
            raise ValueError(
                f"`path` {str(self.folder)!r} is not a BAGEL: it holds no {', '.join(missing)}. "
                f"BAGEL's files are {', '.join(NAMES)}, as its repository on the hub has them. "
                f"{AGAIN}"
            )

    def config(self, name: str, *needed: str) -> dict[str, Any]:
        """Reads a configuration.

        Raises:
            ValueError: naming the file, if it is damaged or lacks a needed entry.
        """
        file = self.folder / name
        try:
            content = parse_json(read_bounded(file, str(file), "BAGEL's file"), str(file))
            check_schema(dict[str, Any], content, str(file))
            check_settings(content, file)
            for entry in needed:
                check_schema(SIZE | None, content.get(entry), str(file), name=entry)
            for entry in content.keys() & NUMBERS:
                check_schema(POSITIVE, content[entry], str(file), name=entry)
        except ValueError as error:
            raise ValueError(f"{error} {AGAIN}") from error
        missing = [entry for entry in needed if entry not in content]
        if missing:
            raise ValueError(f"{file} is not BAGEL's: it lacks {', '.join(missing)}. {AGAIN}")
        return content

    def weights(self, name: str, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """Reads weights onto a device in a precision, one tensor at a time.

        Raises:
            ValueError: naming the file, if it is damaged or cut off.
        """
        from safetensors import safe_open

        file = self.folder / name
        try:
            check_tensors(file)
        except ValueError as damage:
            raise ValueError(f"{damage} {AGAIN}") from damage
        with safe_open(file, framework="pt", device=str(device)) as content:
            return {key: content.get_tensor(key).to(dtype) for key in content.keys()}  # noqa: SIM118
