"""The task score of images from the minis' world of scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastflow.evaluation import Metric
from fastflow.sampling import Request


@dataclass(frozen=True, kw_only=True)
class Scenes(Metric):
    """Scores whether an image shows what its caption asks for, and how well.

    ``score`` is 1 or 0. An image of 64 by 64 pixels is also graded, against the shapes as the
    world draws them: ``shape_overlap``, ``colour_distance`` (Delta E in CIELAB, smaller is
    better), ``edge_sharpness`` and ``background_noise`` (8-bit levels, smaller is better), see
    `fastflow_minis.worlds.grading.grades.Grades`. A missing object has the worst values.

    A caption that is not in the language of the scenes has no score.
    """

    def score(self, output: Any, request: Request) -> dict[str, float]:
        import numpy as np
        from PIL import Image

        from fastflow_minis.worlds.scenes.scene_grades import grade_scene
        from fastflow_minis.worlds.scenes.scene_language import parse_caption
        from fastflow_minis.worlds.scenes.scene_scorer import holds

        if not isinstance(output, Image.Image):
            return {}
        try:
            caption = parse_caption(request.prompt)
        except ValueError:
            return {}
        image = np.asarray(output)
        scores = {"score": float(holds(image, caption))}
        if output.size == (64, 64):
            scores |= grade_scene(image, caption).numbers()
        return scores
