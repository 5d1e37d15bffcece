"""The combinations of a caption, which of them training never shows, and the captions of each.

A combination is a tuple of words per task: (shape, background), (shape, shape),
(count, colour, shape), (colour, shape), (shape, relation, shape) and
(colour, shape, colour, shape). The rules are arithmetic on word indices, so that about a fifth
of the combinations is held out and every word, and every pair of neighbours, is still seen.
"""

from collections.abc import Iterator
from itertools import product

from fastflow_minis.worlds.drawing import BACKGROUNDS, OBJECT_COLOURS, SHAPES
from fastflow_minis.worlds.scenes.scene_language import (
    COUNTS,
    PLURALS,
    RELATIONS,
    SCENE_OPENINGS,
    SCENE_TASKS,
)

SceneCombination = tuple[str, ...]

_S = {shape: i for i, shape in enumerate(SHAPES)}
_C = {colour: i for i, colour in enumerate(OBJECT_COLOURS)}
_B = {background: i for i, background in enumerate(BACKGROUNDS)}
_K = {count: i for i, count in enumerate(COUNTS)}
_HELD_OUT_PAIRS = ({"circle", "cross"}, {"square", "ring"})


def is_held_out_scene(task: str, combination: SceneCombination) -> bool:
    """Returns whether a combination of a task is held out from training.

    Combinations that mean the same get the same answer, such as "a ring and a square" and "a
    square and a ring", or "a ring left of a square" and "a square right of a ring".
    """
    return _RULES[task](*combination)


def _single_object(shape: str, background: str) -> bool:
    return (_S[shape] + _B[background]) % 3 == 0


def _two_objects(first: str, second: str) -> bool:
    return {first, second} in _HELD_OUT_PAIRS


def _counting(count: str, colour: str, shape: str) -> bool:
    return (_K[count] + _C[colour] + _S[shape]) % 5 == 0


def _colours(colour: str, shape: str) -> bool:
    return (_C[colour] + 2 * _S[shape]) % 5 == 1


def _position(first: str, relation: str, second: str) -> bool:
    if relation in ("right of", "below"):
        first, second = second, first
    vertical = relation in ("above", "below")
    return (_S[first] + 3 * (_S[second] - _S[first]) + 2 * vertical) % 5 == 0


def _colour_attribution(colour1: str, shape1: str, colour2: str, shape2: str) -> bool:
    if _S[shape1] > _S[shape2]:
        colour1, shape1, colour2, shape2 = colour2, shape2, colour1, shape1
    return (_C[colour1] + 2 * _C[colour2] + _S[shape1] + 3 * _S[shape2]) % 5 == 0


_RULES = {
    "single_object": _single_object,
    "two_objects": _two_objects,
    "counting": _counting,
    "colours": _colours,
    "position": _position,
    "colour_attribution": _colour_attribution,
}

_PARTS = {
    "single_object": (SHAPES, BACKGROUNDS),
    "two_objects": (SHAPES, SHAPES),
    "counting": (COUNTS, OBJECT_COLOURS, SHAPES),
    "colours": (OBJECT_COLOURS, SHAPES),
    "position": (SHAPES, RELATIONS, SHAPES),
    "colour_attribution": (OBJECT_COLOURS, SHAPES, OBJECT_COLOURS, SHAPES),
}


def _differs(task: str, combination: SceneCombination) -> bool:
    if task == "colour_attribution":
        colour1, shape1, colour2, shape2 = combination
        return colour1 != colour2 and shape1 != shape2
    if task in ("two_objects", "position"):
        return combination[0] != combination[-1]
    return True


def scene_combinations(task: str) -> list[SceneCombination]:
    """Lists all combinations of a task, held out or not."""
    if task not in SCENE_TASKS:
        raise ValueError(f"`task` must be one of {', '.join(SCENE_TASKS)}, got {task!r}.")
    return [c for c in product(*_PARTS[task]) if _differs(task, c)]


def scene_content(task: str, combination: SceneCombination) -> str:
    """Puts a combination into words, without opening and ending: "a ring left of a square"."""
    if task == "counting":
        count, colour, shape = combination
        return f"{count} {colour} {PLURALS[shape]}"
    if task == "position":
        first, relation, second = combination
        return f"a {first} {relation} a {second}"
    if task == "colour_attribution":
        colour1, shape1, colour2, shape2 = combination
        return f"a {colour1} {shape1} and a {colour2} {shape2}"
    if task == "two_objects":
        return f"a {combination[0]} and a {combination[1]}"
    if task == "colours":
        return f"a {combination[0]} {combination[1]}"
    return f"a {combination[0]}"


def scene_captions(task: str, combination: SceneCombination) -> Iterator[str]:
    """Yields every caption of a combination: all openings, and all backgrounds if it is open."""
    text = scene_content(task, combination)
    contents, endings = [text], [""]
    if task == "single_object":
        contents.append(text.replace("a ", "one ", 1))
        endings = [_ending(combination[1])]
    elif task in ("two_objects", "colours"):
        endings += [_ending(background) for background in BACKGROUNDS]
    for opening, inner, ending in product(SCENE_OPENINGS, contents, endings):
        yield f"{opening} of {inner}{ending}"


def _ending(background: str) -> str:
    return f" on a {background} background"
