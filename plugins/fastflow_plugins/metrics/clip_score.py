"""How well an image agrees with its prompt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from fastflow.evaluation import Metric
from fastflow.sampling import Request
from fastflow_plugins.models.diffusers import without_warnings


@dataclass(frozen=True, kw_only=True)
class ClipScore(Metric):
    """Measures the CLIP score of image and prompt, 0 to 100; larger is better.

    A video's value is the mean over its frames.
    Reference: Hessel et al. 2021, https://arxiv.org/abs/2104.08718.

    Args:
        path: a CLIP model: a hub id or a folder.
        download: whether it may be downloaded; otherwise only a local copy is used.
    """

    path: str = "openai/clip-vit-base-patch16"
    download: bool = False

    def unavailable(self) -> str:
        try:
            _clip(self.path, not self.download)
        except (OSError, ValueError):
            return (
                f"clip_score was left out: there is no local copy of {self.path} "
                "(metric.clip_score.download=true allows the download)."
            )
        return ""

    def score(self, output: Any, request: Request) -> dict[str, float]:
        import torch

        from fastflow_plugins.metrics.tensors import frames

        model, processor = _clip(self.path, not self.download)
        options: Any = {"return_tensors": "pt", "truncation": True}
        inputs = processor(text=[request.prompt], images=list(frames(output)), **options)
        with torch.no_grad():
            embedded = model(**inputs)
        cosine = torch.cosine_similarity(embedded.image_embeds, embedded.text_embeds)
        return {"clip_score": 100 * max(0.0, float(cosine.mean()))}


@cache
def _clip(path: str, local: bool) -> tuple[Any, Any]:
    from transformers import CLIPModel, CLIPProcessor

    with without_warnings():
        model = CLIPModel.from_pretrained(path, local_files_only=local)
        return model, CLIPProcessor.from_pretrained(path, local_files_only=local)
