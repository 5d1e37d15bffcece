"""The scores of edits in the minis' world of scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastflow.evaluation import Metric
from fastflow.sampling import Request


@dataclass(frozen=True, kw_only=True)
class Edits(Metric):
    """Scores an edited scene as GEdit does: g_sc, g_pq and g_o = sqrt(g_sc g_pq), 0 to 1.

    Semantic consistency is whether the requested edit was made, perceptual quality whether all
    else is as before and the image is clean; ``score`` is the overall score. Covers only
    instructions in the language of the edits whose source image shows what they are about.
    """

    def score(self, output: Any, request: Request) -> dict[str, float]:
        import numpy as np

        from fastflow_minis.worlds.edits.edit_scorer import score_edit

        if request.image is None:
            return {}
        try:
            source = np.asarray(request.image.convert("RGB"))
            marks = score_edit(source, request.prompt, np.asarray(output))
        except ValueError:
            return {}
        return {"g_sc": marks.g_sc, "g_pq": marks.g_pq, "g_o": marks.g_o, "score": marks.g_o}
