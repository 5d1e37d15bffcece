"""The dataset: training examples of a world, drawn and encoded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from fastflow_minis.training.checkpoint import load_or_make

_CHUNK = 1_000


@dataclass(frozen=True)
class Example:
    """Holds a training example.

    Attributes:
        image: The image to learn, (64, 64, 3) uint8, or the frames of a video (F, 64, 64, 3).
        caption: The text that describes it, or the instruction that leads to it.
        task: The caption's task.
        source: The image before the instruction, likewise; None for captions.
    """

    image: np.ndarray
    caption: str
    task: str
    source: np.ndarray | None = None


Encode = Callable[[np.ndarray], torch.Tensor]
"""Turns images (N, ...), uint8, into normalised latents (N, ...)."""

World = Callable[[np.random.Generator], Example]
"""Draws a training example."""


@dataclass(frozen=True)
class EncodedDataset:
    """Holds the training examples of a transformer, encoded and on the CPU.

    Attributes:
        latents: Normalised latents of the images (N, C, 16, 16) or videos, float32.
        captions: N captions.
        tasks: Their tasks.
        sources: Latents of the source images, likewise; None if there are none.
        views: Another encoding of the source images (N, ...), such as the input of a vision
            encoder; or None.
    """

    latents: torch.Tensor
    captions: list[str]
    tasks: list[str]
    sources: torch.Tensor | None = None
    views: torch.Tensor | None = None

    @classmethod
    def of(
        cls,
        run: Path,
        encode: Encode,
        world: World,
        count: int,
        seed: int,
        view: Encode | None = None,
    ) -> EncodedDataset:
        """Reads a run's dataset, or draws, encodes and stores it.

        Args:
            run: The folder where it is stored.
            encode: Turns images into latents.
            world: Draws examples.
            count: Number of examples.
            seed: Seed of the examples.
            view: Turns source images into views.
        """
        return cls(
            **load_or_make(run / "dataset.pt", lambda: _fill(encode, world, count, seed, view))
        )


def draw_images(world: World, count: int, seed: int) -> torch.Tensor:
    """Draws the images (N, 64, 64, 3) of a world, or its videos (N, F, 64, 64, 3), uint8."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([world(rng).image for _ in range(count)]))


def _fill(
    encode: Encode, world: World, count: int, seed: int, view: Encode | None
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    sizes = [min(_CHUNK, count - start) for start in range(0, count, _CHUNK)]
    bar = tqdm(sizes, desc="dataset", unit="chunk", mininterval=10)
    chunks = [_encoded(encode, [world(rng) for _ in range(size)], view) for size in bar]
    return {
        "latents": torch.cat([chunk.latents for chunk in chunks]),
        "captions": [caption for chunk in chunks for caption in chunk.captions],
        "tasks": [task for chunk in chunks for task in chunk.tasks],
        "sources": _joined([chunk.sources for chunk in chunks]),
        "views": _joined([chunk.views for chunk in chunks]),
    }


def _encoded(encode: Encode, examples: list[Example], view: Encode | None) -> EncodedDataset:
    sources = [example.source for example in examples if example.source is not None]
    return EncodedDataset(
        encode(np.stack([example.image for example in examples])),
        [example.caption for example in examples],
        [example.task for example in examples],
        encode(np.stack(sources)) if sources else None,
        view(np.stack(sources)) if sources and view else None,
    )


def _joined(parts: list[torch.Tensor | None]) -> torch.Tensor | None:
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found else None
