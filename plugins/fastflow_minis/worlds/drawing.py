"""Draws scenes of coloured shapes: anti-aliased sprites, pasted onto a plain background."""

from dataclasses import dataclass
from functools import cache

import numpy as np

IMAGE_SIDE = 64
"""Height and width of an image in pixels."""

OBJECT_SIZES = (22, 24)
"""Diameters of objects in pixels."""

JITTER = 2
"""Greatest distance of an object's centre from its quadrant's centre, in pixels per axis."""

SHAPES = ("circle", "square", "triangle", "cross", "ring")

OBJECT_COLOURS = {
    "red": (225, 35, 35),
    "green": (30, 160, 60),
    "blue": (40, 80, 225),
    "yellow": (245, 215, 35),
    "purple": (180, 50, 200),
}
"""Names of object colours with their 8-bit RGB values."""

BACKGROUNDS = {"white": (245, 245, 245), "grey": (130, 130, 130), "black": (12, 12, 12)}
"""Names of background colours with their 8-bit RGB values."""

QUADRANTS = ((16, 16), (48, 16), (16, 48), (48, 48))
"""Centres (x, y) in pixels: top left, top right, bottom left, bottom right."""

_OVERSAMPLING = 8


@dataclass(frozen=True)
class SceneObject:
    """Describes one object of a scene.

    Attributes:
        shape: One of `SHAPES`.
        colour: A key of `OBJECT_COLOURS`.
        centre: Position (x, y) in pixels, y pointing down.
        size: Diameter in pixels, even.
    """

    shape: str
    colour: str
    centre: tuple[int, int]
    size: int


@dataclass(frozen=True)
class Scene:
    """Describes a scene.

    Attributes:
        background: A key of `BACKGROUNDS`.
        items: The objects, which do not touch each other.
    """

    background: str
    items: tuple[SceneObject, ...]


def inside_shape(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns which points of the square [-1, 1]² lie in a shape; y points down."""
    if shape == "circle":
        return x**2 + y**2 <= 1
    if shape == "ring":
        return (x**2 + y**2 <= 1) & (x**2 + y**2 >= 0.5**2)
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= 0.9
    if shape == "triangle":
        return (abs(x) <= (y + 1) / 2) & (y <= 1)
    if shape == "cross":
        return np.minimum(abs(x), abs(y)) <= 0.34
    raise ValueError(f"`shape` must be one of {', '.join(SHAPES)}, got {shape!r}.")


@cache
def coverage(shape: str, size: int) -> np.ndarray:
    """Returns how much of each pixel a shape covers: (size, size), from 0 to 1."""
    fine = size * _OVERSAMPLING
    axis = (np.arange(fine) + 0.5) / fine * 2 - 1
    mask = inside_shape(shape, axis[None, :], axis[:, None]) & np.ones((fine, fine), bool)
    blocks = mask.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING)
    return blocks.mean(axis=(1, 3)).astype(np.float32)


def render_scene(scene: Scene) -> np.ndarray:
    """Draws a scene.

    Args:
        scene: The scene; objects must lie within the image.

    Returns:
        The image (64, 64, 3), uint8 RGB.
    """
    image = np.empty((IMAGE_SIDE, IMAGE_SIDE, 3), np.float32)
    image[:] = BACKGROUNDS[scene.background]
    for item in scene.items:
        alpha = coverage(item.shape, item.size)[..., None]
        left, top = (c - item.size // 2 for c in item.centre)
        patch = image[top : top + item.size, left : left + item.size]
        patch += alpha * (np.asarray(OBJECT_COLOURS[item.colour], np.float32) - patch)
    return np.rint(image).astype(np.uint8)
