"""The world of edits: edits to train on, and held-out edits."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from fastflow_minis.worlds.drawing import BACKGROUNDS, OBJECT_COLOURS, SHAPES, Scene, SceneObject
from fastflow_minis.worlds.edits.edit_language import EDIT_TASKS, PLACES, Instruction, wordings
from fastflow_minis.worlds.edits.edit_split import (
    EditCombination,
    edit_combinations,
    is_held_out_edit,
)
from fastflow_minis.worlds.scenes.scene_language import AskedObject
from fastflow_minis.worlds.scenes.scene_world import draw_item

_HELD_OUT = {t: [c for c in edit_combinations(t) if is_held_out_edit(t, c)] for t in EDIT_TASKS}
_SEEN = {t: [c for c in edit_combinations(t) if not is_held_out_edit(t, c)] for t in EDIT_TASKS}
_OBJECTS = tuple(product(OBJECT_COLOURS, SHAPES))


@dataclass(frozen=True)
class SceneEdit:
    """Holds a scene, an instruction, and the scene that follows.

    Attributes:
        source: The scene before: one to four different objects, at most one in a quadrant.
        instruction: What to change.
        target: A scene after, never empty. What the instruction leaves open is random: the size
            and exact position of an added object, and the exact position of a moved one.
    """

    source: Scene
    instruction: Instruction
    target: Scene

    @property
    def task(self) -> str:
        """The instruction's task."""
        return self.instruction.task


def training_edit(rng: np.random.Generator) -> SceneEdit:
    """Draws an edit; never of a held-out combination."""
    task = EDIT_TASKS[rng.integers(len(EDIT_TASKS))]
    return _draw(rng, task, _choice(rng, _SEEN[task]))


def held_out_edits(count: int, seed: int = 0) -> list[SceneEdit]:
    """Returns edits whose combinations training never shows.

    Args:
        count: How many; the six tasks take turns, so they differ by one at most.
        seed: Which ones; the same seed gives a longer list with the same beginning.

    Raises:
        ValueError: ``count`` is negative.
    """
    if count < 0:
        raise ValueError(f"`count` must be 0 or more, got {count}.")
    return [_held_out(i, seed) for i in range(count)]


def _held_out(index: int, seed: int) -> SceneEdit:
    """Returns the edit with this index, from each task's held-out combinations in turn."""
    turn, task = divmod(index, len(EDIT_TASKS))
    deck = np.random.default_rng([seed, task]).permutation(len(_HELD_OUT[EDIT_TASKS[task]]))
    combination = _HELD_OUT[EDIT_TASKS[task]][deck[turn % len(deck)]]
    return _draw(np.random.default_rng([seed, task, turn]), EDIT_TASKS[task], combination)


def _draw(rng: np.random.Generator, task: str, combination: EditCombination) -> SceneEdit:
    if task == "background":
        before, to = combination
        source = Scene(before, _others(rng, list(PLACES), fewest=1))
        asked = _choice(rng, wordings(task, to=to))
        return SceneEdit(source, asked, replace(source, background=to))
    colour, shape, to = (*combination, "")[:3]
    asked = _choice(rng, wordings(task, colour, shape, to))
    background = _choice(rng, tuple(BACKGROUNDS))
    free = [place for place in rng.permutation(list(PLACES)) if place != to]
    own = (
        () if task == "add" else (draw_item(rng, AskedObject(shape, colour), PLACES[free.pop()]),)
    )
    fewest = 1 if task in ("add", "remove") else 0
    others = _others(rng, free, fewest, avoid=(colour, shape))
    return SceneEdit(
        Scene(background, (*own, *others)),
        asked,
        Scene(background, (*_after(rng, own, asked), *others)),
    )


def _after(
    rng: np.random.Generator, own: tuple[SceneObject, ...], asked: Instruction
) -> tuple[SceneObject, ...]:
    """Returns the object that an instruction names as it is after the edit, if it still exists."""
    if asked.task == "remove":
        return ()
    if asked.task == "recolour":
        return tuple(replace(item, colour=asked.to) for item in own)
    if asked.task == "replace":
        return tuple(replace(item, shape=asked.to) for item in own)
    there = draw_item(rng, AskedObject(asked.shape, asked.colour), PLACES[asked.to])
    return tuple(replace(there, size=item.size) for item in own) or (there,)


def _others(
    rng: np.random.Generator, free: list[str], fewest: int, avoid: tuple[str, str] | None = None
) -> tuple[SceneObject, ...]:
    """Draws some objects, all of different kinds, in quadrants that are free."""
    count = int(rng.integers(fewest, len(free) + 1))
    kinds = [kind for kind in _OBJECTS if kind != avoid]
    chosen = [kinds[i] for i in rng.permutation(len(kinds))[:count]]
    places = rng.permutation(free)[:count]
    return tuple(
        draw_item(rng, AskedObject(shape, colour), PLACES[place])
        for (colour, shape), place in zip(chosen, places, strict=True)
    )


def _choice(rng: np.random.Generator, options):
    return options[rng.integers(len(options))]
