"""Reads a video and scores what moves in it, without a learned model.

Every frame is read as an image of the world of scenes (`read_scene`); the objects of the frames
that show exactly one are taken to be the same object.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np

from fastflow_minis.worlds.drawing import IMAGE_SIDE
from fastflow_minis.worlds.scenes.scene_scorer import (
    CONTRAST,
    SceneReading,
    SeenObject,
    background_of,
    read_scene,
    shifted_by_a_pixel,
    to_pixels,
)
from fastflow_minis.worlds.videos.video_language import DIRECTIONS, SPEEDS, Motion, parse_motion

MAJORITY = 0.5
"""Share of frames above which the video counts as showing an object or a trait."""

SIDEWAYS = 0.5
"""Greatest movement across the requested direction, as a share of that along it."""

SPEED_BOUNDS = (0.4, 2.0, 4.5)
"""Bounds of the speeds in pixels per frame: standing, slow, quick, jumping."""


@dataclass(frozen=True)
class VideoScores:
    """Holds the scores of a video, from 0 to 1; 1 is best, except for flicker.

    Attributes:
        object: Whether most frames show the requested shape and nothing else.
        colour: Whether that object has the requested colour in most frames.
        direction: Whether it moves in the requested direction.
        speed: Whether it moves at the requested speed, in any direction.
        background: Whether most frames have the requested background; 1 if none is requested.
        consistency: Share of the frames that show a single object, of the video's most frequent
            shape and colour.
        smoothness: 1 minus the change of the object's step from frame to frame, as a share of the
            step (of one pixel if the step is shorter); 0 if too few frames show the object.
        flicker: Mean change of the background from frame to frame, as a share of black to white.
    """

    object: float
    colour: float
    direction: float
    speed: float
    background: float
    consistency: float
    smoothness: float
    flicker: float

    @property
    def score(self) -> float:
        """1 if object, colour, direction, speed and background are as requested, else 0."""
        return self.object * self.colour * self.direction * self.speed * self.background

    def numbers(self) -> dict[str, float]:
        """Returns all scores by name."""
        return {**asdict(self), "score": self.score}


def score_video(video: np.ndarray, asked: Motion | str) -> VideoScores:
    """Scores a video.

    Args:
        video: Frames (F, 64, 64, 3), two or more, uint8 from 0 to 255 or float from 0 to 1.
        asked: The requested motion, or its caption.

    Raises:
        ValueError: The video has another shape, or the caption is not in the language.
    """
    if np.ndim(video) != 4 or np.shape(video)[1:] != (IMAGE_SIDE, IMAGE_SIDE, 3) or len(video) < 2:
        raise ValueError(f"`video` must have the shape (F, 64, 64, 3), got {np.shape(video)}.")
    asked = parse_motion(asked) if isinstance(asked, str) else asked
    readings = [read_scene(frame) for frame in video]
    track = [_alone(reading) for reading in readings]
    centres = np.array([(np.nan, np.nan) if s is None else s.centre for s in track])
    grounds = [reading.background for reading in readings]
    step = _step(centres)
    along = float(step @ np.array(DIRECTIONS[asked.direction]))
    across = float(np.abs(step).sum()) - abs(along)
    return VideoScores(
        object=_mostly([s is not None and s.shape == asked.shape for s in track]),
        colour=_mostly([s is not None and s.colour == asked.colour for s in track]),
        direction=float(along > 0 and across <= SIDEWAYS * along),
        speed=float(_named(float(np.linalg.norm(step))) == asked.speed),
        background=_mostly([asked.background in (None, ground) for ground in grounds]),
        consistency=_consistency(track),
        smoothness=_smoothness(centres),
        flicker=_flicker(video),
    )


def _alone(reading: SceneReading) -> SeenObject | None:
    """Returns the only object of a frame."""
    return reading.objects[0] if len(reading.objects) == 1 else None


def _mostly(verdicts: list[bool]) -> float:
    return float(np.mean(verdicts) > MAJORITY)


def _step(centres: np.ndarray) -> np.ndarray:
    """Returns the mean step (x, y) in pixels per frame; 0 if it cannot be measured."""
    seen = np.flatnonzero(~np.isnan(centres[:, 0]))
    if len(seen) < 2 or len(seen) <= MAJORITY * len(centres):
        return np.zeros(2)
    return (centres[seen[-1]] - centres[seen[0]]) / (seen[-1] - seen[0])


def _named(speed: float) -> str | None:
    """Returns the name of a speed in pixels per frame; None if it has none."""
    names = (None, *SPEEDS, None)
    return names[int(np.searchsorted(SPEED_BOUNDS, speed))]


def _consistency(track: list[SeenObject | None]) -> float:
    kinds = Counter((s.shape, s.colour) for s in track if s and s.shape and s.colour)
    return max(kinds.values(), default=0) / len(track)


def _smoothness(centres: np.ndarray) -> float:
    steps = np.diff(centres, axis=0)
    changes = np.linalg.norm(np.diff(steps, axis=0), axis=1)
    if np.isnan(changes).mean() > MAJORITY or not len(changes):
        return 0.0
    step = max(1.0, float(np.nanmean(np.linalg.norm(steps, axis=1))))
    return max(0.0, 1 - float(np.nanmean(changes)) / step)


def _flicker(video: np.ndarray) -> float:
    """Returns the mean change of the pixels that are background in a frame and in the next."""
    frames = [to_pixels(frame) for frame in video]
    grounds = [
        ~np.any(shifted_by_a_pixel(np.pad(_stands_out(frame), 1)), axis=0) for frame in frames
    ]
    changes = [
        np.abs(b - a)[p & q].mean()
        for a, b, p, q in zip(frames, frames[1:], grounds, grounds[1:], strict=False)
        if (p & q).any()
    ]
    return float(np.mean(changes)) / 255 if changes else 1.0


def _stands_out(pixels: np.ndarray) -> np.ndarray:
    return np.linalg.norm(pixels - background_of(pixels), axis=-1) > CONTRAST
