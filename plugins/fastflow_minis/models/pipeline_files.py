"""The folders of minis that are diffusers pipelines: half precision on disk, float32 loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save_pipeline(pipe: Any, folder: Path, name: str) -> None:
    """Writes a pipeline, its transformer and autoencoder in half precision.

    The text encoders are not, because transformers, unlike diffusers, would load them in the
    precision of their file.

    Args:
        pipe: The pipeline; its transformer and autoencoder are in half precision afterwards.
        folder: Where to write it.
        name: The mini's name, which the autoencoder's configuration gets in place of a path.
    """
    pipe.transformer.half()
    pipe.vae.half()
    pipe.vae.register_to_config(_name_or_path=name)
    pipe.save_pretrained(folder)


def read_pipeline(kind: Any, folder: Path, device: str) -> Any:
    """Loads a diffusers pipeline in float32, without its progress bar.

    Args:
        kind: The pipeline's class.
        folder: Its folder.
        device: Where its parts go.
    """
    pipe = kind.from_pretrained(folder).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe
