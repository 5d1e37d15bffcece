"""The combinations of an instruction, and which of them training never shows.

A combination is an instruction's (colour, shape, to); for a background, without an object, it is
(from, to). The rules are arithmetic on word indices, so that about a fifth of the combinations
is held out and every word, and in tasks of three words every pair of words, is still seen.
"""

from itertools import permutations, product

from fastflow_minis.worlds.drawing import BACKGROUNDS, OBJECT_COLOURS, SHAPES
from fastflow_minis.worlds.edits.edit_language import EDIT_OUTCOMES, EDIT_TASKS, PLACES

EditCombination = tuple[str, ...]

_C = {colour: i for i, colour in enumerate(OBJECT_COLOURS)}
_S = {shape: i for i, shape in enumerate(SHAPES)}
_P = {place: i for i, place in enumerate(PLACES)}
_HELD_OUT_BACKGROUNDS = (("white", "black"), ("black", "grey"))


def is_held_out_edit(task: str, combination: EditCombination) -> bool:
    """Returns whether a combination of a task is held out from training."""
    if task == "background":
        return combination in _HELD_OUT_BACKGROUNDS
    colour, shape, *to = combination
    return (_C[colour] + 2 * _S[shape] + _SHIFTS[task](*to)) % 5 == 0


_SHIFTS = {
    "recolour": lambda to: 2 * _C[to],
    "replace": lambda to: _S[to],
    "add": lambda to: _P[to],
    "remove": lambda: 4,
    "move": lambda to: _P[to] + 2,
}


def edit_combinations(task: str) -> list[EditCombination]:
    """Lists the combinations of a task, held out or not, that change something."""
    if task not in EDIT_TASKS:
        raise ValueError(f"`task` must be one of {', '.join(EDIT_TASKS)}, got {task!r}.")
    if task == "background":
        return list(permutations(BACKGROUNDS, 2))
    objects = list(product(OBJECT_COLOURS, SHAPES))
    if task == "remove":
        return objects
    return [(*one, to) for one in objects for to in EDIT_OUTCOMES[task] if to not in one]
