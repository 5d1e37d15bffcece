"""Grades a scene: how well an image shows what its caption asks for.

The objects of a scene lie near the centres of its quadrants. Each asked shape is fitted in every
quadrant, and the objects take the quadrants that suit them best together.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from fastflow_minis.worlds.drawing import QUADRANTS
from fastflow_minis.worlds.grading.colour_difference import FARTHEST
from fastflow_minis.worlds.grading.grades import Grades, grades_of, object_distance
from fastflow_minis.worlds.grading.shape_fit import GradedImage, ShapeFit
from fastflow_minis.worlds.scenes.scene_language import AskedObject, SceneCaption, parse_caption
from fastflow_minis.worlds.scenes.scene_scorer import lies

REACH = 8
"""How far from where it is expected an object is searched for, in pixels per axis."""


def grade_scene(image: np.ndarray, prompt: SceneCaption | str) -> Grades:
    """Grades an image by its caption.

    Args:
        image: (64, 64, 3), uint8 from 0 to 255 or float from 0 to 1.
        prompt: The caption, or its text.

    Raises:
        ValueError: The image has another shape, or the caption is not in the language.
    """
    caption = parse_caption(prompt) if isinstance(prompt, str) else prompt
    picture = GradedImage.of(image)
    asked = [one for one in caption.objects for _ in range(one.count)]
    found = {
        (one, place): picture.first_fit(one.shape, place, REACH)
        for one in set(asked)
        for place in QUADRANTS
    }
    merits = {(one, place): _merit(fit, one) for (one, place), fit in found.items()}
    places = max(
        (order for order in permutations(QUADRANTS, len(asked)) if _allowed(caption, order)),
        key=lambda order: sum(merits[key] for key in zip(asked, order, strict=True)),
    )
    fits = [found[key].refined() for key in zip(asked, places, strict=True)]
    return grades_of(picture, fits, [one.colour for one in asked], caption.background)


def _merit(fit: ShapeFit, asked: AskedObject) -> float:
    return fit.overlap - object_distance(fit, asked.colour) / FARTHEST


def _allowed(caption: SceneCaption, places: tuple[tuple[int, int], ...]) -> bool:
    return caption.relation is None or lies(caption.relation, places[0], places[1])
