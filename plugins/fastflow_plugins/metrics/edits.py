"""The scores of edits in the minis' world of scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastflow.evaluation import Metric
from fastflow.sampling import Request


@dataclass(frozen=True, kw_only=True)
class Edits(Metric):
    """Scores an edited scene as GEdit does: g_sc, g_pq and g_o = sqrt(g_sc g_pq), 0 to 1.

    Semantic consistency (g_sc) measures whether the requested edit was made, perceptual quality
    (g_pq) whether everything else is unchanged and the image is clean; ``score`` equals g_o.

    How well it was done is graded against the asked scene, drawn by the world: ``shape_overlap``,
    ``colour_distance`` (Delta E in CIELAB, smaller is better), ``edge_sharpness``,
    ``background_noise`` and ``unasked_change`` (8-bit levels, smaller is better), see
    `fastflow_minis.worlds.edits.edit_grades.EditGrades`. A missing object has the worst values.

    An instruction has no score if it is not in the language of the edits, or names an object that
    the source image does not show.
    """

    def score(self, output: Any, request: Request) -> dict[str, float]:
        import numpy as np

        from fastflow_minis.worlds.edits.edit_grades import grade_edit
        from fastflow_minis.worlds.edits.edit_scorer import score_edit

        if request.image is None:
            return {}
        try:
            source, image = np.asarray(request.image.convert("RGB")), np.asarray(output)
            scores = score_edit(source, request.prompt, image)
            grades = grade_edit(source, request.prompt, image).numbers()
        except ValueError:
            return {}
        return {
            "g_sc": scores.g_sc,
            "g_pq": scores.g_pq,
            "g_o": scores.g_o,
            "score": scores.g_o,
            **grades,
        }
