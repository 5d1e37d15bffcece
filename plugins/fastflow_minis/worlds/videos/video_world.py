"""The world of videos: videos with captions to train on, and held-out captions."""

import random
from dataclasses import dataclass
from itertools import product

import numpy as np

from fastflow_minis.worlds.drawing import (
    BACKGROUNDS,
    IMAGE_SIDE,
    OBJECT_COLOURS,
    OBJECT_SIZES,
    SHAPES,
    Scene,
    SceneObject,
    render_scene,
)
from fastflow_minis.worlds.videos.video_language import (
    DIRECTIONS,
    SPEEDS,
    VIDEO_TASKS,
    Motion,
    video_captions,
)

FRAMES = 9
"""Frames of a video: one, and two groups of the four that the autoencoder joins to one latent."""

FPS = 8

VideoCombination = tuple[str, str, str, str]
"""Colour, shape, direction and speed."""

_NUMBERS = tuple({name: i for i, name in enumerate(names)} for names in (OBJECT_COLOURS, SHAPES))


@dataclass(frozen=True)
class MovingObject:
    """Describes an object that moves across a background.

    Attributes:
        background: A key of `BACKGROUNDS`.
        items: The object in each frame.
    """

    background: str
    items: tuple[SceneObject, ...]


def is_held_out_video(colour: str, shape: str, direction: str, speed: str) -> bool:
    """Returns whether a combination is held out from training.

    The rule is arithmetic on word indices: of each task, which is a direction and a speed, a
    fifth of the pairs of colour and shape is held out, and every three words are still seen.
    """
    number = _NUMBERS[0][colour] + 2 * _NUMBERS[1][shape]
    return (number + VIDEO_TASKS.index(f"{direction} {speed}")) % 5 == 0


def video_combinations() -> list[VideoCombination]:
    """Lists all combinations, held out or not."""
    return list(product(OBJECT_COLOURS, SHAPES, DIRECTIONS, SPEEDS))


_SEEN = [one for one in video_combinations() if not is_held_out_video(*one)]
_HELD_OUT = [one for one in video_combinations() if is_held_out_video(*one)]


def held_out_motions(count: int, seed: int = 0) -> list[Motion]:
    """Returns distinct captions whose combinations training never shows.

    Args:
        count: How many; the tasks take turns, so they differ by one at most.
        seed: Which ones; the same seed gives a longer list with the same beginning.

    Raises:
        ValueError: There are not that many.
    """
    decks = []
    for task in VIDEO_TASKS:
        deck = [one for c in _HELD_OUT for one in video_captions(*c) if one.task == task]
        random.Random(f"{seed}/{task}").shuffle(deck)
        decks.append(deck)
    most = len(VIDEO_TASKS) * min(map(len, decks))
    if not 0 <= count <= most:
        raise ValueError(
            f"`count` must be from 0 to {most}, got {count}: there are no more held-out captions. "
            "Repeat captions with other noise for more videos."
        )
    return [one for turn in zip(*decks, strict=True) for one in turn][:count]


def training_video(rng: np.random.Generator) -> tuple[MovingObject, Motion]:
    """Draws a video and a caption that matches it; never a held-out combination."""
    combination = _SEEN[rng.integers(len(_SEEN))]
    captions = video_captions(*combination)
    asked = captions[rng.integers(len(captions))]
    return video_of(asked, rng), asked


def video_of(asked: Motion, rng: np.random.Generator) -> MovingObject:
    """Draws a video that matches a caption; what the caption leaves open is random."""
    size = int(rng.choice(OBJECT_SIZES))
    step = SPEEDS[asked.speed] * np.array(DIRECTIONS[asked.direction])
    path = (FRAMES - 1) * step
    margin = size // 2 + 1
    low, high = margin + np.maximum(0, -path), IMAGE_SIDE - margin - np.maximum(0, path)
    start = rng.integers(low, high + 1)
    centres = [start + i * step for i in range(FRAMES)]
    items = (SceneObject(asked.shape, asked.colour, (int(x), int(y)), size) for x, y in centres)
    background = asked.background or str(rng.choice(tuple(BACKGROUNDS)))
    return MovingObject(background, tuple(items))


def render_video(video: MovingObject) -> np.ndarray:
    """Renders a video as frames ``(F, 64, 64, 3)``, uint8 RGB."""
    return np.stack([render_scene(Scene(video.background, (item,))) for item in video.items])
