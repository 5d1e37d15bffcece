"""The world: scenes with captions to train on, and prompts that training never shows."""

import random

import numpy as np

from fastflow_minis.combinations import captions, combinations, is_held_out
from fastflow_minis.drawing import (
    BACKGROUNDS,
    COLOURS,
    JITTER,
    QUADRANTS,
    SIZES,
    Item,
    Scene,
    render,
)
from fastflow_minis.language import TASKS, Asked, Prompt, parse

__all__ = [
    "TASKS",
    "Asked",
    "Item",
    "Prompt",
    "Scene",
    "draw_item",
    "held_out",
    "parse",
    "render",
    "scene_of",
    "training_scene",
]

_HELD_OUT = {t: [c for c in combinations(t) if is_held_out(t, c)] for t in TASKS}
_SEEN = {t: [c for c in combinations(t) if not is_held_out(t, c)] for t in TASKS}
_CAPTIONS = {(t, c): list(captions(t, c)) for t in TASKS for c in _SEEN[t]}

_PLACES = {"left of": (0, 1), "right of": (1, 0), "above": (0, 2), "below": (2, 0)}


def held_out(count: int, seed: int = 0) -> list[Prompt]:
    """Returns distinct prompts whose combinations training never shows.

    Args:
        count: How many; the six tasks take turns, so they differ by one at most.
        seed: Which ones; the same seed gives a longer list with the same beginning.

    Raises:
        ValueError: There are not that many.
    """
    decks = []
    for task in TASKS:
        deck = [text for c in _HELD_OUT[task] for text in captions(task, c)]
        random.Random(f"{seed}/{task}").shuffle(deck)
        decks.append(deck)
    most = len(TASKS) * min(map(len, decks))
    if not 0 <= count <= most:
        raise ValueError(
            f"`count` must be from 0 to {most}, got {count}: there are no more held-out prompts "
            "for the rarest task. Repeat prompts with other noise for more images."
        )
    return [parse(text) for turn in zip(*decks, strict=False) for text in turn][:count]


def training_scene(rng: np.random.Generator) -> tuple[Scene, str]:
    """Draws a scene and a caption that holds for it; never a held-out combination."""
    task = TASKS[rng.integers(len(TASKS))]
    combination = _choice(rng, _SEEN[task])
    caption = _choice(rng, _CAPTIONS[task, combination])
    return scene_of(parse(caption), rng), caption


def scene_of(prompt: Prompt, rng: np.random.Generator) -> Scene:
    """Draws a scene for which a prompt holds; what is not asked is random.

    Several objects stand in reading order, as the caption names them; one object stands anywhere.
    """
    asked = [one for one in prompt.objects for _ in range(one.count)]
    places = _PLACES.get(prompt.relation or "", range(len(asked)))
    if len(asked) == 1:
        places = rng.integers(len(QUADRANTS), size=1)
    items = (draw_item(rng, one, QUADRANTS[p]) for one, p in zip(asked, places, strict=True))
    return Scene(prompt.background or _choice(rng, tuple(BACKGROUNDS)), tuple(items))


def draw_item(rng: np.random.Generator, asked: Asked, quadrant: tuple[int, int]) -> Item:
    """Draws an object near a quadrant's centre; what is not asked is random."""
    dx, dy = rng.integers(-JITTER, JITTER + 1, 2)
    return Item(
        asked.shape,
        asked.colour or _choice(rng, tuple(COLOURS)),
        (quadrant[0] + int(dx), quadrant[1] + int(dy)),
        int(_choice(rng, SIZES)),
    )


def _choice(rng: np.random.Generator, options):
    return options[rng.integers(len(options))]
