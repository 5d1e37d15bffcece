"""Reads an image and decides whether it matches a caption, without a learned model.

The image is segmented by its distance from the background; every connected part gets the nearest
colour, and the shape whose outline, stretched to the part's box, overlaps it best. As in GenEval
(https://arxiv.org/abs/2310.11513), an image matches if it shows what the caption asks for; in this
world it must also show nothing else.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np

from fastflow_minis.worlds.drawing import BACKGROUNDS, OBJECT_COLOURS, SHAPES, inside_shape
from fastflow_minis.worlds.scenes.scene_language import AskedObject, SceneCaption, parse_caption

CONTRAST = 50.0
"""Distance from the background, in 8-bit RGB, above which a pixel belongs to an object."""

SPECK = 60
"""Parts of fewer pixels are ignored; the smallest object has about 250."""

OVERLAP = 0.75
"""Least intersection over union with a shape's outline for an object to have that shape."""

COLOUR_TOLERANCE = 90.0
"""Greatest distance from a named colour, in 8-bit RGB, for a colour to have that name."""

APART = 10.0
"""Least distance, in pixels, between the centres of objects left of or above each other."""

_SIDES = (15, 33)
_TIP = 4
_EXTENT = {"square": 0.9}


@dataclass(frozen=True)
class SeenObject:
    """Describes an object in an image; shape or colour is None if the world does not have it.

    Attributes:
        shape: One of `SHAPES`.
        colour: A key of `OBJECT_COLOURS`.
        box: Its left, top, right and bottom in pixels, y pointing down; right and bottom are
            exclusive.
    """

    shape: str | None
    colour: str | None
    box: tuple[int, int, int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """Middle (x, y) of its box in pixels."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class SceneReading:
    """Describes what an image shows.

    Attributes:
        background: A key of `BACKGROUNDS`; None if the world does not have it.
        objects: The objects.
        specks: The number of pixels that differ from the background but belong to no object.
    """

    background: str | None
    objects: tuple[SeenObject, ...]
    specks: int = 0


def holds(image: np.ndarray, prompt: SceneCaption | str) -> bool:
    """Returns whether an image (see `read_scene`) shows what a prompt or a caption asks for."""
    prompt = parse_caption(prompt) if isinstance(prompt, str) else prompt
    return reading_holds(read_scene(image), prompt)


def reading_holds(reading: SceneReading, prompt: SceneCaption) -> bool:
    """Returns whether a reading is what a prompt asks for."""
    if prompt.background not in (None, reading.background):
        return False
    asked = [one for one in prompt.objects for _ in range(one.count)]
    if len(asked) != len(reading.objects):
        return False
    if prompt.task == "counting":
        return all(_fits(seen, prompt.objects[0]) for seen in reading.objects)
    return any(
        all(map(_fits, seen, asked)) and _related(prompt.relation, seen)
        for seen in permutations(reading.objects)
    )


def _fits(seen: SeenObject, asked: AskedObject) -> bool:
    return seen.shape == asked.shape and asked.colour in (None, seen.colour)


def _related(relation: str | None, seen: tuple[SeenObject, ...]) -> bool:
    return relation is None or lies(relation, seen[0].centre, seen[1].centre)


def lies(relation: str, first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Returns whether a point (x, y) is "left of" (and so on) another, by `APART` or more."""
    axis, sign = {
        "left of": (0, 1),
        "right of": (0, -1),
        "above": (1, 1),
        "below": (1, -1),
    }[relation]
    return sign * (second[axis] - first[axis]) >= APART


def read_scene(image: np.ndarray) -> SceneReading:
    """Finds the background and the objects of an image.

    Args:
        image: (64, 64, 3), uint8 from 0 to 255 or float from 0 to 1.

    Raises:
        ValueError: The image has another shape.
    """
    pixels = to_pixels(image)
    ground = background_of(pixels)
    labels = connected_components(np.linalg.norm(pixels - ground, axis=-1) > CONTRAST)
    sizes = Counter(labels[labels > 0].tolist())
    parts = [labels == label for label, size in sorted(sizes.items()) if size >= SPECK]
    seen = tuple(_object(pixels, ground, part) for part in parts)
    specks = sum(size for size in sizes.values() if size < SPECK)
    return SceneReading(_name(ground, BACKGROUNDS), seen, specks)


def background_of(pixels: np.ndarray) -> np.ndarray:
    """Returns the colour (3,) of the background: the median of the frame."""
    frame = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    return np.median(frame, axis=0)


def to_pixels(image: np.ndarray) -> np.ndarray:
    """Returns an image as 8-bit values (H, W, 3) in float64.

    Raises:
        ValueError: The image has another shape.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"`image` must have the shape (64, 64, 3), got {image.shape}.")
    scale = 1.0 if image.dtype == np.uint8 else 255.0
    return image.astype(np.float64) * scale


def shifted_by_a_pixel(padded: np.ndarray) -> list[np.ndarray]:
    """Returns the nine images, shifted by up to a pixel, that a padded one contains."""
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    return [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]


def connected_components(mask: np.ndarray) -> np.ndarray:
    """Labels the parts of a mask (H, W) that are connected by edges; 0 is outside."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        spread = np.maximum.reduce(
            [labels, padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        )
        spread = np.where(mask, spread, 0)
        if np.array_equal(spread, labels):
            return labels
        labels = np.where(mask, np.maximum(spread, spread.ravel()[spread - 1]), 0)


def _object(pixels: np.ndarray, ground: np.ndarray, part: np.ndarray) -> SeenObject:
    inner = pixels[part] - ground
    contrast = np.linalg.norm(inner, axis=-1)
    core = inner[contrast >= np.median(contrast)]
    colour = np.median(core, axis=0)
    alpha = (pixels - ground) @ colour / (colour @ colour)
    mask = part & (alpha > 0.5)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    box = (int(left), int(top), int(right), int(bottom))
    return SeenObject(
        _shape(mask[top:bottom, left:right]), _name(colour + ground, OBJECT_COLOURS), box
    )


def _shape(mask: np.ndarray) -> str | None:
    """Returns the shape that fills a box (h, w) best; a thin tip may be missing at the top."""
    if not all(_SIDES[0] <= side <= _SIDES[1] for side in mask.shape):
        return None
    masks = [np.pad(mask, ((tip, 0), (0, 0))) for tip in range(_TIP + 1)]
    overlaps = {
        shape: max(_overlap(one, _outline(shape, *one.shape)) for one in masks) for shape in SHAPES
    }
    best = max(overlaps, key=overlaps.__getitem__)
    return best if overlaps[best] >= OVERLAP else None


def _overlap(mask: np.ndarray, outline: np.ndarray) -> float:
    """Returns the intersection over union of two masks."""
    return (outline & mask).sum() / (outline | mask).sum()


@cache
def _outline(shape: str, height: int, width: int) -> np.ndarray:
    """Returns a shape that fills a box (height, width)."""
    extent = _EXTENT.get(shape, 1.0)
    y = ((np.arange(height) + 0.5) / height * 2 - 1)[:, None] * extent
    x = ((np.arange(width) + 0.5) / width * 2 - 1)[None, :] * extent
    return np.broadcast_to(inside_shape(shape, x, y), (height, width))


def _name(colour: np.ndarray, names: dict[str, tuple[int, int, int]]) -> str | None:
    distances = {name: np.linalg.norm(colour - value) for name, value in names.items()}
    best = min(distances, key=distances.__getitem__)
    return best if distances[best] <= COLOUR_TOLERANCE else None
