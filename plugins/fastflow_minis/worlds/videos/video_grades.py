"""Grades a video: how well it shows the moving object that its caption asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastflow_minis.worlds.drawing import IMAGE_SIDE
from fastflow_minis.worlds.grading.grades import Grades, grades_of, mean_grades
from fastflow_minis.worlds.grading.shape_fit import GradedImage, ShapeFit
from fastflow_minis.worlds.videos.video_language import DIRECTIONS, SPEEDS, Motion, parse_motion

FARTHEST_OFF = IMAGE_SIDE / 2
"""The greatest deviation from the path, in pixels; larger ones count as this."""


@dataclass(frozen=True)
class VideoGrades(Grades):
    """Holds how well a video shows what is asked for: the means of its frames' grades, and a path.

    Attributes:
        path_deviation_px: Distance of the object in each frame from the asked path, whose start is
            the one that fits best; the mean over frames, in pixels, from 0 to 32. 32 for a frame
            without the object.
    """

    path_deviation_px: float


def grade_video(video: np.ndarray, asked: Motion | str) -> VideoGrades:
    """Grades a video by its caption.

    Args:
        video: Frames (F, 64, 64, 3), one or more, uint8 from 0 to 255 or float from 0 to 1.
        asked: The requested motion, or its caption.

    Raises:
        ValueError: The video has another shape, or the caption is not in the language.
    """
    asked = parse_motion(asked) if isinstance(asked, str) else asked
    if np.ndim(video) != 4 or not len(video):
        raise ValueError(f"`video` must have the shape (F, 64, 64, 3), got {np.shape(video)}.")
    fits = [_object(GradedImage.of(frame), asked.shape) for frame in video]
    grades = [grades_of(fit.picture, [fit], [asked.colour], asked.background) for fit in fits]
    return VideoGrades(**mean_grades(grades), path_deviation_px=_deviation(fits, asked))


def _object(picture: GradedImage, shape: str) -> ShapeFit:
    middle = IMAGE_SIDE / 2
    return picture.first_fit(shape, (middle, middle), IMAGE_SIDE // 2).refined()


def _deviation(fits: Sequence[ShapeFit], asked: Motion) -> float:
    """Returns the mean distance from the path; its start is the median of what frames suggest."""
    step = SPEEDS[asked.speed] * np.array(DIRECTIONS[asked.direction])
    centres = np.array([(fit.place.x, fit.place.y) for fit in fits])
    starts = centres - np.arange(len(fits))[:, None] * step
    off = np.linalg.norm(starts - np.median(starts, axis=0), axis=1)
    there = np.array([fit.presence for fit in fits])
    return float((there * np.minimum(off, FARTHEST_OFF) + (1 - there) * FARTHEST_OFF).mean())
