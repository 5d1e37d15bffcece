"""The language of videos: captions of a moving object, and their meaning."""

import re
from dataclasses import dataclass
from itertools import product

from fastflow_minis.worlds.drawing import BACKGROUNDS, OBJECT_COLOURS, SHAPES

DIRECTIONS: dict[str, tuple[int, int]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
}
"""Names of directions with their steps (x, y), y pointing down."""

SPEEDS = {"slowly": 1, "quickly": 3}
"""Names of speeds in pixels per frame."""

VIDEO_TASKS = tuple(f"{direction} {speed}" for direction, speed in product(DIRECTIONS, SPEEDS))

VIDEO_OPENINGS = ("a video", "a clip", "an animation")
VIDEO_WORDINGS = ("moving {direction} {speed}", "{speed} moving {direction}")
"""The wordings of a motion."""


@dataclass(frozen=True)
class Motion:
    """Holds a caption with its meaning.

    Attributes:
        text: The caption.
        colour: The object's, a key of `OBJECT_COLOURS`.
        shape: The object's, one of `SHAPES`.
        direction: A key of `DIRECTIONS`.
        speed: A key of `SPEEDS`.
        background: The requested background; None for any.
    """

    text: str
    colour: str
    shape: str
    direction: str
    speed: str
    background: str | None = None

    @property
    def task(self) -> str:
        """One of `VIDEO_TASKS`."""
        return f"{self.direction} {self.speed}"


def video_captions(colour: str, shape: str, direction: str, speed: str) -> list[Motion]:
    """Returns every way to ask for a motion: all openings, wordings and backgrounds."""
    found = []
    for opening, wording, background in product(
        VIDEO_OPENINGS, VIDEO_WORDINGS, (None, *BACKGROUNDS)
    ):
        moving = wording.format(direction=direction, speed=speed)
        ending = f" on a {background} background" if background else ""
        text = f"{opening} of a {colour} {shape} {moving}{ending}"
        found.append(Motion(text, colour, shape, direction, speed, background))
    return found


def parse_motion(caption: str) -> Motion:
    """Reads a caption.

    Args:
        caption: A sentence of the language; case, surplus blanks and a final full stop do not
            matter.

    Raises:
        ValueError: It is not in the language; the message shows the grammar.
    """
    text = " ".join(caption.lower().split()).removesuffix(".")
    for pattern in _PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            return Motion(text, **match.groupdict())
    forms = "\n".join(
        f"  <opening> of a <colour> <shape> {form}[ on a <background> background]"
        for form in VIDEO_WORDINGS
    )
    raise ValueError(
        f"`caption` must be in the language of the videos, got {caption!r}. Use one of\n{forms}\n"
        f"with the openings {', '.join(VIDEO_OPENINGS)}; the colours {', '.join(OBJECT_COLOURS)}; "
        f"the shapes {', '.join(SHAPES)}; the directions {', '.join(DIRECTIONS)}; the speeds "
        f"{', '.join(SPEEDS)}; the backgrounds {', '.join(BACKGROUNDS)}."
    )


def words_of_videos() -> tuple[str, ...]:
    """Returns every word of the language once, sorted."""
    named = [*VIDEO_OPENINGS, *OBJECT_COLOURS, *SHAPES, *DIRECTIONS, *SPEEDS, *BACKGROUNDS]
    named += ["a of on background moving"]
    return tuple(sorted({word for name in named for word in name.split()}))


def _one_of(name: str, options) -> str:
    return f"(?P<{name}>{'|'.join(options)})"


def _pattern(wording: str) -> re.Pattern:
    moving = wording.format(
        direction=_one_of("direction", DIRECTIONS), speed=_one_of("speed", SPEEDS)
    )
    colour, shape = _one_of("colour", OBJECT_COLOURS), _one_of("shape", SHAPES)
    ending = f"( on a {_one_of('background', BACKGROUNDS)} background)?"
    return re.compile(f"({'|'.join(VIDEO_OPENINGS)}) of a {colour} {shape} {moving}{ending}")


_PATTERNS = tuple(map(_pattern, VIDEO_WORDINGS))
