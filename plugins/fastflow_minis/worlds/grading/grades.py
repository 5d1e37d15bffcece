"""Grades of an image: how well it shows its objects and its background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fastflow_minis.worlds.drawing import BACKGROUNDS, IMAGE_SIDE, OBJECT_COLOURS
from fastflow_minis.worlds.grading.colour_difference import (
    FARTHEST,
    colour_difference,
    nearest_colour,
)
from fastflow_minis.worlds.grading.shape_fit import FIT_BOX, GradedImage, ShapeFit
from fastflow_minis.worlds.scenes.scene_scorer import CONTRAST, shifted_by_a_pixel

_HALF = FIT_BOX // 2 + 1


@dataclass(frozen=True)
class Grades:
    """Holds how well an image shows what is asked for.

    Attributes:
        shape_overlap: Soft intersection over union of each object with the asked shape, as drawn
            at the place and in the size that fit best; the mean over objects, from 0 to 1. 0 for
            an object that is missing, 1 if no object is asked for.
        colour_distance: CIELAB distance (Delta E, CIE 1976) of each object's pixels from the asked
            colour, and of the background's from the asked background; the mean over objects and
            background, from 0 to 100. What the prompt leaves open is compared with the nearest
            colour of the world. 100 for an object that is missing.
        edge_sharpness: Slope of each object's edges over that of the drawn shape's; the mean over
            objects, from 0 to 1, where 1 is as sharp as drawn. 0 for an object that is missing, 1
            if no object is asked for.
        background_noise: Root mean square deviation of the pixels outside of the objects from the
            background's median colour, in 8-bit levels per channel, from 0 to 50: a pixel that
            deviates by more, as in an object that nobody asked for, counts as 50.
    """

    shape_overlap: float
    colour_distance: float
    edge_sharpness: float
    background_noise: float

    def numbers(self) -> dict[str, float]:
        """Returns the grades by name."""
        return asdict(self)


def grades_of(
    picture: GradedImage,
    fits: Sequence[ShapeFit],
    colours: Sequence[str | None],
    background: str | None,
) -> Grades:
    """Grades an image.

    Args:
        picture: The image.
        fits: The asked objects, where they fit best.
        colours: The colour of each, a key of `OBJECT_COLOURS`; None for any.
        background: A key of `BACKGROUNDS`; None for any.
    """
    ground = picture.ground
    wanted = BACKGROUNDS[background] if background else nearest_colour(ground, BACKGROUNDS)
    distances = [object_distance(fit, c) for fit, c in zip(fits, colours, strict=True)]
    return Grades(
        shape_overlap=_mean([fit.overlap for fit in fits]),
        colour_distance=_mean([*distances, float(colour_difference(ground, wanted))]),
        edge_sharpness=_mean([fit.sharpness for fit in fits]),
        background_noise=_noise(picture, fits),
    )


def object_distance(fit: ShapeFit, colour: str | None) -> float:
    """Returns the colour distance of an object, weighted towards the farthest as it fades."""
    seen = fit.contrast + fit.picture.ground
    wanted = OBJECT_COLOURS[colour] if colour else nearest_colour(seen, OBJECT_COLOURS)
    apart = float(colour_difference(fit.inside, wanted).mean())
    return fit.presence * apart + (1 - fit.presence) * FARTHEST


def mean_grades(grades: Sequence[Grades]) -> dict[str, float]:
    """Returns the means of grades by name."""
    numbers = [one.numbers() for one in grades]
    return {name: _mean([one[name] for one in numbers]) for name in numbers[0]}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 1.0


def _noise(picture: GradedImage, fits: Sequence[ShapeFit]) -> float:
    free = ~_covered(fits)
    deviation = np.sqrt(((picture.pixels - picture.ground) ** 2).mean(axis=-1))[free]
    return float(np.sqrt((np.minimum(deviation, CONTRAST) ** 2).mean()))


def _covered(fits: Sequence[ShapeFit]) -> np.ndarray:
    """Returns the pixels (64, 64) of objects and of two pixels around them."""
    covered = np.zeros((IMAGE_SIDE + 2 * _HALF,) * 2, bool)
    for fit in fits:
        row, column = fit.place.corner
        covered[row : row + FIT_BOX, column : column + FIT_BOX] |= fit.place.drawing > 0
    for _ in range(2):
        covered = np.any(shifted_by_a_pixel(np.pad(covered, 1)), axis=0)
    return covered[_HALF:-_HALF, _HALF:-_HALF]
