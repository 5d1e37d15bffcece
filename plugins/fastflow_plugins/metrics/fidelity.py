"""How close an image or a video is to the reference run's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fastflow.evaluation import Metric


@dataclass(frozen=True, kw_only=True)
class Fidelity(Metric):
    """Measures PSNR (dB) and SSIM against the reference run's image from the same noise.

    Both are computed on 8-bit RGB scaled to 0..1. Identical images have an infinite PSNR. A
    video's PSNR is computed over all its frames together, its SSIM is the mean over its frames.
    """

    def compare(self, output: Any, reference: Any) -> dict[str, float]:
        from torchmetrics.functional.image import structural_similarity_index_measure as ssim

        from fastflow_plugins.metrics.tensors import to_tensor

        a, b = to_tensor(output), to_tensor(reference)
        error = float((a - b).square().mean())
        psnr = -10 * math.log10(error) if error > 0 else math.inf
        similarity: Any = ssim(a, b, data_range=1.0)
        return {"psnr_db": psnr, "ssim": float(similarity)}
