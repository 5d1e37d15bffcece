"""The world of scenes: scenes with captions to train on, and held-out captions."""

import random

import numpy as np

from fastflow_minis.worlds.drawing import (
    BACKGROUNDS,
    JITTER,
    OBJECT_COLOURS,
    OBJECT_SIZES,
    QUADRANTS,
    Scene,
    SceneObject,
)
from fastflow_minis.worlds.scenes.scene_language import (
    SCENE_TASKS,
    AskedObject,
    SceneCaption,
    parse_caption,
)
from fastflow_minis.worlds.scenes.scene_split import (
    is_held_out_scene,
    scene_captions,
    scene_combinations,
)

_HELD_OUT = {t: [c for c in scene_combinations(t) if is_held_out_scene(t, c)] for t in SCENE_TASKS}
_SEEN = {t: [c for c in scene_combinations(t) if not is_held_out_scene(t, c)] for t in SCENE_TASKS}
_CAPTIONS = {(t, c): list(scene_captions(t, c)) for t in SCENE_TASKS for c in _SEEN[t]}

_PLACES = {"left of": (0, 1), "right of": (1, 0), "above": (0, 2), "below": (2, 0)}


def held_out_captions(count: int, seed: int = 0) -> list[SceneCaption]:
    """Returns distinct captions whose combinations training never shows.

    Args:
        count: How many; the six tasks take turns, so they differ by one at most.
        seed: Which ones; the same seed gives a longer list with the same beginning.

    Raises:
        ValueError: There are not that many.
    """
    decks = []
    for task in SCENE_TASKS:
        deck = [text for c in _HELD_OUT[task] for text in scene_captions(task, c)]
        random.Random(f"{seed}/{task}").shuffle(deck)
        decks.append(deck)
    most = len(SCENE_TASKS) * min(map(len, decks))
    if not 0 <= count <= most:
        raise ValueError(
            f"`count` must be from 0 to {most}, got {count}: there are no more held-out prompts "
            "for the rarest task. Repeat prompts with other noise for more images."
        )
    return [parse_caption(text) for turn in zip(*decks, strict=False) for text in turn][:count]


def training_scene(rng: np.random.Generator) -> tuple[Scene, str]:
    """Draws a scene and a caption that matches it; never a held-out combination."""
    task = SCENE_TASKS[rng.integers(len(SCENE_TASKS))]
    combination = _choice(rng, _SEEN[task])
    caption = _choice(rng, _CAPTIONS[task, combination])
    return scene_of(parse_caption(caption), rng), caption


def scene_of(prompt: SceneCaption, rng: np.random.Generator) -> Scene:
    """Draws a scene that matches a caption; what the caption leaves open is random.

    Several objects are in reading order, as the caption names them; a single one is anywhere.
    """
    asked = [one for one in prompt.objects for _ in range(one.count)]
    places = _PLACES.get(prompt.relation or "", range(len(asked)))
    if len(asked) == 1:
        places = rng.integers(len(QUADRANTS), size=1)
    items = (draw_item(rng, one, QUADRANTS[p]) for one, p in zip(asked, places, strict=True))
    return Scene(prompt.background or _choice(rng, tuple(BACKGROUNDS)), tuple(items))


def draw_item(
    rng: np.random.Generator, asked: AskedObject, quadrant: tuple[int, int]
) -> SceneObject:
    """Draws an object near a quadrant's centre; what the caption leaves open is random."""
    dx, dy = rng.integers(-JITTER, JITTER + 1, 2)
    return SceneObject(
        asked.shape,
        asked.colour or _choice(rng, tuple(OBJECT_COLOURS)),
        (quadrant[0] + int(dx), quadrant[1] + int(dy)),
        int(_choice(rng, OBJECT_SIZES)),
    )


def _choice(rng: np.random.Generator, options):
    return options[rng.integers(len(options))]
