"""The language of edits: instructions of six tasks, and their meaning."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastflow_minis.worlds.drawing import BACKGROUNDS, OBJECT_COLOURS, QUADRANTS, SHAPES

EDIT_TASKS = ("recolour", "replace", "add", "remove", "move", "background")

PLACES: dict[str, tuple[int, int]] = dict(
    zip(("top left", "top right", "bottom left", "bottom right"), QUADRANTS, strict=True)
)
"""Names of the quadrants with their centres (x, y) in pixels."""

EDIT_WORDINGS = {
    "recolour": ("make the {colour} {shape} {to}", "paint the {colour} {shape} {to}"),
    "replace": (
        "replace the {colour} {shape} with a {to}",
        "turn the {colour} {shape} into a {to}",
    ),
    "add": ("add a {colour} {shape} in the {to}", "draw a {colour} {shape} in the {to}"),
    "remove": ("remove the {colour} {shape}", "erase the {colour} {shape}"),
    "move": ("move the {colour} {shape} to the {to}", "shift the {colour} {shape} to the {to}"),
    "background": ("make the background {to}", "change the background to {to}"),
}
"""The wordings of each task."""

EDIT_OUTCOMES = {
    "recolour": tuple(OBJECT_COLOURS),
    "replace": SHAPES,
    "add": tuple(PLACES),
    "move": tuple(PLACES),
    "background": tuple(BACKGROUNDS),
}
"""Possible results for an object, or for the background, in each task."""


@dataclass(frozen=True)
class Instruction:
    """Holds an instruction with its meaning.

    Attributes:
        text: The sentence.
        task: One of `EDIT_TASKS`.
        colour: Colour of the object; empty if the instruction names none ("background").
        shape: Shape of the object, likewise.
        to: The result: a colour, a shape, a place or a background; empty if there is none
            ("remove").
    """

    text: str
    task: str
    colour: str = ""
    shape: str = ""
    to: str = ""


def wordings(task: str, colour: str = "", shape: str = "", to: str = "") -> list[Instruction]:
    """Returns every wording of an instruction (see `Instruction`)."""
    texts = (form.format(colour=colour, shape=shape, to=to) for form in EDIT_WORDINGS[task])
    return [Instruction(text, task, colour, shape, to) for text in texts]


def parse_instruction(text: str) -> Instruction:
    """Reads an instruction.

    Args:
        text: A sentence of the language; case, surplus blanks and a final full stop do not matter.

    Raises:
        ValueError: It is not in the language; the message shows the grammar.
    """
    plain = " ".join(text.lower().split()).removesuffix(".")
    for task, pattern in _PATTERNS:
        match = pattern.fullmatch(plain)
        if match:
            return Instruction(plain, task, **match.groupdict())
    forms = "\n".join(f"  {form}" for forms in EDIT_WORDINGS.values() for form in forms)
    raise ValueError(
        f"`text` must be an instruction to edit a scene, got {text!r}. Use one of\n{forms}\n"
        f"with the colours {', '.join(OBJECT_COLOURS)}; the shapes {', '.join(SHAPES)}; "
        f"the backgrounds {', '.join(BACKGROUNDS)}; the places {', '.join(PLACES)}."
    )


def words_of_edits() -> tuple[str, ...]:
    """Returns every word of the language once, sorted."""
    forms = (form for task in EDIT_TASKS for form in EDIT_WORDINGS[task])
    fixed = {word for form in forms for word in re.sub(r"{\w+}", "", form).split()}
    names = [*OBJECT_COLOURS, *SHAPES, *BACKGROUNDS, *PLACES]
    return tuple(sorted(fixed | {word for name in names for word in name.split()}))


def _patterns() -> Iterator[tuple[str, re.Pattern]]:
    colours, shapes = _one_of("colour", OBJECT_COLOURS), _one_of("shape", SHAPES)
    for task, forms in EDIT_WORDINGS.items():
        to = _one_of("to", EDIT_OUTCOMES.get(task, ()))
        for form in forms:
            yield task, re.compile(form.format(colour=colours, shape=shapes, to=to))


def _one_of(name: str, options) -> str:
    return f"(?P<{name}>{'|'.join(options)})"


_PATTERNS = tuple(_patterns())
