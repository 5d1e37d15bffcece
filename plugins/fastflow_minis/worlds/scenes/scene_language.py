"""The language of scenes: captions of six tasks, and their meaning."""

import re
from dataclasses import dataclass
from typing import Any

from fastflow_minis.worlds.drawing import BACKGROUNDS, OBJECT_COLOURS, SHAPES

SCENE_TASKS = (
    "single_object",
    "two_objects",
    "counting",
    "colours",
    "position",
    "colour_attribution",
)

SCENE_OPENINGS = ("a photo", "a picture", "an image", "a drawing", "a painting")
WITH_ENDING = ("single_object", "two_objects", "colours")
"""Tasks whose captions may name the background."""

COUNTS = {"two": 2, "three": 3, "four": 4}
RELATIONS = ("left of", "right of", "above", "below")
PLURALS = {shape: shape + ("es" if shape == "cross" else "s") for shape in SHAPES}

SCENE_GRAMMAR = """\
"<opening> of <content>", where the content is one of
  a|one <shape>[ on a <background> background]
  a <shape> and a <shape>[ on a <background> background]
  a <colour> <shape>[ on a <background> background]
  a <colour> <shape> and a <colour> <shape>
  two|three|four <colour> <shape>s
  a <shape> left of|right of|above|below a <shape>"""


@dataclass(frozen=True)
class AskedObject:
    """Describes a kind of object that a caption asks for.

    Attributes:
        shape: One of `SHAPES`.
        colour: A key of `OBJECT_COLOURS`; None for any.
        count: How many there are to be.
    """

    shape: str
    colour: str | None = None
    count: int = 1


@dataclass(frozen=True)
class SceneCaption:
    """Holds a caption with its meaning.

    Attributes:
        text: The caption.
        task: One of `SCENE_TASKS`.
        objects: The requested objects, in the caption's order.
        relation: Where the first object is relative to the second (task "position"), else None.
        background: The requested background; None for any.
    """

    text: str
    task: str
    objects: tuple[AskedObject, ...]
    relation: str | None = None
    background: str | None = None


def _one_of(name: str, words) -> str:
    return f"(?P<{name}>{'|'.join(words)})"


_SINGULAR = {plural: shape for shape, plural in PLURALS.items()}
_SHAPE1, _SHAPE2 = _one_of("shape1", SHAPES), _one_of("shape2", SHAPES)
_COLOUR1, _COLOUR2 = _one_of("colour1", OBJECT_COLOURS), _one_of("colour2", OBJECT_COLOURS)
_CONTENTS = {
    "single_object": f"(a|one) {_SHAPE1}",
    "two_objects": f"a {_SHAPE1} and a {_SHAPE2}",
    "counting": f"{_one_of('count', COUNTS)} {_COLOUR1} {_one_of('plural', _SINGULAR)}",
    "colours": f"a {_COLOUR1} {_SHAPE1}",
    "position": f"a {_SHAPE1} {_one_of('relation', RELATIONS)} a {_SHAPE2}",
    "colour_attribution": f"a {_COLOUR1} {_SHAPE1} and a {_COLOUR2} {_SHAPE2}",
}
_OPENING = f"({'|'.join(SCENE_OPENINGS)}) of"
_ENDING = f"( on a {_one_of('background', BACKGROUNDS)} background)?"
_PATTERNS = {
    task: re.compile(f"{_OPENING} {content}" + _ENDING * (task in WITH_ENDING))
    for task, content in _CONTENTS.items()
}


def parse_caption(caption: str) -> SceneCaption:
    """Reads a caption.

    Args:
        caption: A sentence of the world's language; case, surplus blanks and a final full
            stop do not matter.

    Returns:
        The caption with its meaning.

    Raises:
        ValueError: The caption is not in the language; the message shows the grammar.
    """
    text = " ".join(caption.lower().split()).removesuffix(".")
    for task, pattern in _PATTERNS.items():
        match = pattern.fullmatch(text)
        if match:
            return _meaning(text, task, match.groupdict())
    raise ValueError(
        f"`caption` must be in the language of the scenes, got {caption!r}. Use {SCENE_GRAMMAR}\n"
        f"with the openings {', '.join(SCENE_OPENINGS)}; the shapes {', '.join(SHAPES)}; "
        f"the colours {', '.join(OBJECT_COLOURS)}; the backgrounds {', '.join(BACKGROUNDS)}."
    )


def _meaning(text: str, task: str, words: dict[str, Any]) -> SceneCaption:
    if task == "counting":
        objects = (
            AskedObject(_SINGULAR[words["plural"]], words["colour1"], COUNTS[words["count"]]),
        )
    else:
        objects = tuple(
            AskedObject(words[f"shape{i}"], words.get(f"colour{i}"))
            for i in (1, 2)
            if f"shape{i}" in words
        )
    return SceneCaption(text, task, objects, words.get("relation"), words.get("background"))


def words_of_scenes() -> tuple[str, ...]:
    """Returns every word of the language once, sorted."""
    sentences = [
        *SCENE_OPENINGS,
        *COUNTS,
        *RELATIONS,
        *PLURALS,
        *PLURALS.values(),
        *OBJECT_COLOURS,
    ]
    sentences += [*BACKGROUNDS, "a an one of and on background"]
    return tuple(sorted({word for sentence in sentences for word in sentence.split()}))
