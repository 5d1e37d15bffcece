"""The evaluations of a BAGEL that draws scenes and edits them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fastflow.sampling import Request, reference_sampler
from fastflow_minis.models.bagel.bagel_components import VIEW_SIDE
from fastflow_minis.worlds.drawing import IMAGE_SIDE, render_scene
from fastflow_minis.worlds.edits.edit_evaluation import EditEvaluation
from fastflow_minis.worlds.edits.edit_world import SceneEdit
from fastflow_minis.worlds.scenes.scene_evaluation import SceneEvaluation
from fastflow_minis.worlds.scenes.scene_language import SceneCaption
from fastflow_plugins.models.bagel import Bagel
from fastflow_plugins.models.bagel.bagel_flow import BagelFlow
from fastflow_plugins.models.bagel.checkpoint import Parts, load_parts

_SETTINGS: dict[str, Any] = {
    "path": "bagel_mini",
    "height": IMAGE_SIDE,
    "width": IMAGE_SIDE,
    "image_sides": (IMAGE_SIDE, IMAGE_SIDE),
    "view_sides": (VIEW_SIDE, VIEW_SIDE),
    "interval": (0.0, 1.0),
    "together": True,
}
_IMAGE_SCALE = 1.5


class BagelSceneEvaluation(SceneEvaluation):
    """Asks a BAGEL for captions of held-out combinations."""

    def load(self, folder: Path, device: str) -> Any:
        return load_bagel(folder, device)

    def answer(
        self,
        model: Any,
        questions: Sequence[SceneCaption],
        seeds: Sequence[int],
        steps: int,
        scale: float,
    ) -> np.ndarray:
        asked = zip(questions, seeds, strict=True)
        requests = [Request(i, q.text, seed, steps) for i, (q, seed) in enumerate(asked)]
        return draw_images_of_requests(model, requests, text_scale=scale, image_scale=1.0)


class BagelEditEvaluation(EditEvaluation):
    """Asks a BAGEL for edits of held-out combinations."""

    def load(self, folder: Path, device: str) -> Any:
        return load_bagel(folder, device)

    def answer(
        self,
        model: Any,
        questions: Sequence[SceneEdit],
        seeds: Sequence[int],
        steps: int,
        scale: float,
    ) -> np.ndarray:
        requests = [
            Request(
                i, q.instruction.text, seed, steps, image=Image.fromarray(render_scene(q.source))
            )
            for i, (q, seed) in enumerate(zip(questions, seeds, strict=True))
        ]
        guidance = {"image_scale": _IMAGE_SCALE, "renormalisation": "text_channel"}
        return draw_images_of_requests(model, requests, text_scale=scale, **guidance)


def load_bagel(folder: Path, device: str) -> Parts:
    """Loads a BAGEL from its official files."""
    return load_parts(str(folder), torch.device(device), torch.float32)


def draw_images_of_requests(
    parts: Parts, requests: Sequence[Request], **guidance: Any
) -> np.ndarray:
    """Returns the images (B, 64, 64, 3) of requests, from 0 to 1, every step computed."""
    model = BagelFlow(parts, Bagel(**_SETTINGS | guidance))
    found = {s.request.index: s.output for s in reference_sampler(model).generate(requests)}
    images = [np.asarray(found[request.index], np.float32) / 255 for request in requests]
    return np.stack(images)
