"""Grades an edit: how well an image shows the scene that is to follow from its source.

The asked scene is what the scorer reads in the source, changed as the instruction states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastflow_minis.worlds.edits.edit_language import PLACES, Instruction, parse_instruction
from fastflow_minis.worlds.edits.edit_scorer import subject_of, unedited
from fastflow_minis.worlds.grading.grades import Grades, grades_of
from fastflow_minis.worlds.grading.shape_fit import GradedImage
from fastflow_minis.worlds.scenes.scene_grades import REACH
from fastflow_minis.worlds.scenes.scene_scorer import (
    CONTRAST,
    SceneReading,
    SeenObject,
    read_scene,
)


@dataclass(frozen=True)
class EditGrades(Grades):
    """Holds how well an image shows what an edit asks for: the grades of a scene, and one more.

    The objects are all those of the asked scene, edited or not.

    Attributes:
        unasked_change: Mean absolute difference from the source, outside of where the edit takes
            place, in 8-bit levels per channel, from 0 to 50: a pixel that differs by more, as
            where an object moved that was to stay, counts as 50. For a new background, the
            difference is that from the source's objects on it.
    """

    unasked_change: float


@dataclass(frozen=True)
class _Asked:
    """Describes an object that is to be there: its shape, its colour and about where."""

    shape: str
    colour: str
    near: tuple[float, float]


def grade_edit(
    source: np.ndarray, instruction: Instruction | str, image: np.ndarray
) -> EditGrades:
    """Grades an edit.

    Args:
        source: The image before, (64, 64, 3), uint8 from 0 to 255 or float from 0 to 1.
        instruction: The instruction, or its text.
        image: The image after, likewise.

    Raises:
        ValueError: An image has another shape, the instruction is not in the language, or the
            source does not show the object that it names.
    """
    asked = parse_instruction(instruction) if isinstance(instruction, str) else instruction
    GradedImage.of(source)  # refuses another shape
    picture, reading = GradedImage.of(image), read_scene(source)
    subject = subject_of(reading, asked)
    objects = _asked_objects(reading, asked, subject)
    fits = [picture.first_fit(one.shape, one.near, REACH).refined() for one in objects]
    background = asked.to if asked.task == "background" else reading.background
    grades = grades_of(picture, fits, [one.colour for one in objects], background)
    expected, kept = unedited(source, asked, subject)
    change = np.minimum(np.abs(picture.pixels - expected).mean(axis=-1), CONTRAST)[kept].mean()
    return EditGrades(**grades.numbers(), unasked_change=float(change))


def _asked_objects(
    reading: SceneReading, asked: Instruction, subject: SeenObject | None
) -> list[_Asked]:
    """Returns the objects that are to be there after the edit.

    What the world does not have, in a source that is no scene, is left out.
    """
    objects = [
        _Asked(seen.shape, seen.colour, seen.centre)
        for seen in reading.objects
        if seen is not subject and seen.shape and seen.colour
    ]
    if asked.task in ("add", "move"):
        return [*objects, _Asked(asked.shape, asked.colour, PLACES[asked.to])]
    if subject is None or asked.task == "remove":
        return objects
    recoloured = asked.task == "recolour"
    shape, colour = (asked.shape, asked.to) if recoloured else (asked.to, asked.colour)
    return [*objects, _Asked(shape, colour, subject.centre)]
