"""Scores an edited image by what it shows, without a learned model.

As in GEdit (https://arxiv.org/abs/2504.17761, after VIEScore, https://arxiv.org/abs/2312.14867):
semantic consistency is whether the requested edit was made, perceptual quality whether everything
else is unchanged and the image is clean, and the overall score is their geometric mean.
"""

import math
from dataclasses import dataclass

import numpy as np

from fastflow_minis.worlds.drawing import BACKGROUNDS, IMAGE_SIDE
from fastflow_minis.worlds.edits.edit_language import PLACES, Instruction, parse_instruction
from fastflow_minis.worlds.scenes.scene_scorer import (
    CONTRAST,
    SPECK,
    SceneReading,
    SeenObject,
    background_of,
    read_scene,
    shifted_by_a_pixel,
    to_pixels,
)

DRIFT = 4.0
"""How far an object that is not to be moved may shift, in pixels per axis."""

MARGIN = 2
"""Pixels around an edited object that may change with it: its soft edge."""

CHANGED = 70.0
"""Distance, in 8-bit RGB, above which a pixel counts as changed.

It is the distance to the nearest of its neighbours before the edit, so that an edge may be softer
or a pixel off.
"""

SPOILT = 0.05
"""Share of other pixels that changed at which quality is 0; the smallest object covers more."""


@dataclass(frozen=True)
class EditScores:
    """Holds the scores of an edited image, from 0 to 1.

    Attributes:
        g_sc: Semantic consistency: 1 if the requested edit was made; 0.5 if it was made but the
            object lost its shape, colour or position, or if a moved object is also still at its
            old position; 0 if it was not made.
        g_pq: Perceptual quality: 1 if everything else is unchanged and the image is clean. It
            falls to 0 with the share of other pixels that changed, with the share of objects that
            the world does not have, and with the number of specks; the worst of the three counts.
    """

    g_sc: float
    g_pq: float

    @property
    def g_o(self) -> float:
        """The overall score, sqrt(g_sc g_pq)."""
        return math.sqrt(self.g_sc * self.g_pq)


def score_edit(
    source: np.ndarray, instruction: Instruction | str, image: np.ndarray
) -> EditScores:
    """Scores an edit.

    Args:
        source: The image before, (64, 64, 3), uint8 from 0 to 255 or float from 0 to 1.
        instruction: The instruction, or its text.
        image: The image after, likewise.

    Raises:
        ValueError: An image has another shape, the instruction is not in the language, or the
            source does not show the object that it names.
    """
    for pixels in (source, image):
        if np.shape(pixels) != (IMAGE_SIDE, IMAGE_SIDE, 3):
            raise ValueError(f"images must have the shape (64, 64, 3), got {np.shape(pixels)}.")
    asked = parse_instruction(instruction) if isinstance(instruction, str) else instruction
    before, after = read_scene(source), read_scene(image)
    subject = subject_of(before, asked)
    return EditScores(
        _consistency(asked, subject, after),
        min(_kept(source, asked, subject, image), _clean(after)),
    )


def subject_of(before: SceneReading, asked: Instruction) -> SeenObject | None:
    """Returns the object in the source that is to be changed; None if none is.

    Raises:
        ValueError: The source does not show one object as the instruction names it.
    """
    if asked.task in ("add", "background"):
        return None
    found = [s for s in before.objects if (s.colour, s.shape) == (asked.colour, asked.shape)]
    if len(found) != 1:
        raise ValueError(
            f"`source` must show one {asked.colour} {asked.shape} for {asked.text!r}, it shows "
            f"{len(found)}."
        )
    return found[0]


def _consistency(asked: Instruction, subject: SeenObject | None, after: SceneReading) -> float:
    if asked.task == "background":
        return float(after.background == asked.to)
    old = () if subject is None else _in_quadrant(after, subject.centre)
    if asked.task == "remove":
        return float(not old)
    if asked.task in ("add", "move"):
        new = _in_quadrant(after, PLACES[asked.to])
        made = [(s.colour, s.shape) for s in new] == [(asked.colour, asked.shape)]
        return made * (0.5 if set(old) - set(new) else 1.0)
    if subject is None or len(old) != 1:
        return 0.0
    (edited,) = old
    if asked.task == "recolour":
        made, kept = edited.colour == asked.to, edited.shape == asked.shape
    else:
        made, kept = edited.shape == asked.to, edited.colour == asked.colour
    stayed = max(abs(np.subtract(edited.centre, subject.centre))) <= DRIFT
    return made * (1.0 if kept and stayed else 0.5)


def _in_quadrant(reading: SceneReading, point: tuple[float, float]) -> tuple[SeenObject, ...]:
    """Returns the objects in the quadrant of a point."""
    return tuple(seen for seen in reading.objects if _quadrant(seen.centre) == _quadrant(point))


def _quadrant(point: tuple[float, float]) -> tuple[bool, bool]:
    return point[0] >= IMAGE_SIDE / 2, point[1] >= IMAGE_SIDE / 2


def _kept(
    source: np.ndarray, asked: Instruction, subject: SeenObject | None, image: np.ndarray
) -> float:
    """Returns how well the pixels that the edit does not concern agree with the source's."""
    expected, judged = unedited(source, asked, subject)
    changed = _distance(to_pixels(image), expected)[judged] > CHANGED
    return max(0.0, 1 - float(changed.mean()) / SPOILT)


def unedited(
    source: np.ndarray, asked: Instruction, subject: SeenObject | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what is to stay as it is: the expected image, and a mask of the pixels that count.

    Args:
        source: The image before, (64, 64, 3), uint8 from 0 to 255 or float from 0 to 1.
        asked: The instruction.
        subject: The object of the source that it changes; None if it changes none.

    Returns:
        8-bit values (64, 64, 3) in float64, and a mask (64, 64). The mask leaves out the changed
        object and the quadrant that receives one. For a new background, the image has the source's
        objects on it, and the mask leaves out their soft edges.
    """
    expected = to_pixels(source)
    if asked.task == "background":
        return _on_background(expected, asked.to)
    judged = np.ones(expected.shape[:2], bool)
    if subject is not None:
        left, top, right, bottom = subject.box
        judged[max(0, top - MARGIN) : bottom + MARGIN, max(0, left - MARGIN) : right + MARGIN] = 0
    if asked.task in ("add", "move"):
        (x, y), half = PLACES[asked.to], IMAGE_SIDE // 4
        judged[y - half : y + half, x - half : x + half] = 0
    return expected, judged


def _distance(pixels: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Returns each pixel's distance from the nearest of the expected ones around it."""
    padded = np.pad(expected, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return np.min(
        [np.linalg.norm(pixels - near, axis=-1) for near in shifted_by_a_pixel(padded)], axis=0
    )


def _on_background(source: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the source on another background, and a mask of its pixels without soft edges."""
    ground = background_of(source)
    stands_out = np.linalg.norm(source - ground, axis=-1) > CONTRAST
    shifted = shifted_by_a_pixel(np.pad(stands_out, 1, mode="edge"))
    inside, outside = np.all(shifted, axis=0), np.logical_not(np.any(shifted, axis=0))
    expected = np.where(outside[..., None], np.asarray(BACKGROUNDS[name], float), source)
    return expected, inside | outside


def _clean(after: SceneReading) -> float:
    """Returns how free an image is of objects that the world does not have, and of specks."""
    whole = [seen.shape is not None and seen.colour is not None for seen in after.objects]
    share = sum(whole) / len(whole) if whole else 1.0
    return min(share, max(0.0, 1 - after.specks / SPECK))
