"""Quality of an image, or of a video's frames, without a reference."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from fastflow.evaluation import Metric
from fastflow.sampling import Request


@dataclass(frozen=True, kw_only=True)
class Brisque(Metric):
    """Measures BRISQUE, from about 0 (natural) to 100 (distorted); smaller is better.

    A video's value is the mean over its frames. BRISQUE was fitted to photographs; for drawings
    it means little. Reference: Mittal et al. 2012, https://doi.org/10.1109/TIP.2012.2214050.
    Needs piq, which downloads the model on first use.
    """

    def unavailable(self) -> str:
        if find_spec("piq") is None:
            return "brisque was left out: it needs piq (pip install piq)."
        import torch

        try:
            _brisque(torch.rand(1, 3, 32, 32))
        except Exception as error:
            return f"brisque was left out: its model cannot be downloaded ({_line(error)})."
        return ""

    def score(self, output: Any, request: Request) -> dict[str, float]:
        from fastflow_plugins.metrics.tensors import to_tensor

        try:
            return {"brisque": _brisque(to_tensor(output))}
        except AssertionError:  # piq's answer to an image of a single colour
            return {}


def _brisque(pixels: Any) -> float:
    import piq  # pyright: ignore[reportMissingImports]

    return float(piq.brisque(pixels, data_range=1.0, reduction="mean"))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
