"""The scores of videos in the minis' world of moving shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastflow.evaluation import Metric
from fastflow.sampling import Request, Video


@dataclass(frozen=True, kw_only=True)
class Videos(Metric):
    """Scores a video of a moving shape: object, colour, direction, speed and background, 0 or 1.

    ``score`` is 1 if all of them are as requested. Further values are the ``consistency`` of the
    subject and the ``smoothness`` of its motion, from 0 to 1, and the ``flicker`` of the
    background, where smaller is better.

    How well it is shown is graded against a drawn video: ``shape_overlap``, ``colour_distance``
    (Delta E in CIELAB, smaller is better), ``edge_sharpness``, ``background_noise`` (8-bit levels,
    smaller is better) and ``path_deviation_px`` (pixels, smaller is better), see
    `fastflow_minis.worlds.videos.video_grades.VideoGrades`. A missing object has the worst values.

    A caption that is not in the language of the moving shapes has no score.
    """

    def score(self, output: Any, request: Request) -> dict[str, float]:
        from fastflow_minis.worlds.videos.video_grades import grade_video
        from fastflow_minis.worlds.videos.video_scorer import score_video

        if not isinstance(output, Video):
            return {}
        try:
            pixels = output.pixels()
            scores = score_video(pixels, request.prompt).numbers()
            return scores | grade_video(pixels, request.prompt).numbers()
        except ValueError:
            return {}
