"""The task score of images from the minis' world of scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastflow.evaluation import Metric
from fastflow.sampling import Request


@dataclass(frozen=True, kw_only=True)
class Scenes(Metric):
    """Scores whether an image shows what its caption asks for: 1 or 0.

    A caption that is not in the language of the scenes has no score.
    """

    def score(self, output: Any, request: Request) -> dict[str, float]:
        import numpy as np
        from PIL import Image

        from fastflow_minis.worlds.scenes.scene_language import parse_caption
        from fastflow_minis.worlds.scenes.scene_scorer import holds

        if not isinstance(output, Image.Image):
            return {}
        try:
            caption = parse_caption(request.prompt)
        except ValueError:
            return {}
        return {"score": float(holds(np.asarray(output), caption))}
