"""Perceptual distance to the reference run's image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from fastflow.evaluation import Metric


@dataclass(frozen=True, kw_only=True)
class Lpips(Metric):
    """Measures LPIPS against the reference run's image; smaller is better.

    A video's value is the mean over its frames. Reference: Zhang et al. 2018,
    https://arxiv.org/abs/1801.03924. Needs torchvision and its weights of the network.

    Args:
        net: the network whose features are compared: alex, vgg or squeeze.
    """

    net: str = "alex"

    def __post_init__(self):
        if self.net not in ("alex", "vgg", "squeeze"):
            raise ValueError(f"`net` must be alex, vgg or squeeze, got {self.net!r}.")

    def unavailable(self) -> str:
        if find_spec("torchvision") is None:
            return "lpips was left out: it needs torchvision (pip install torchvision)."
        try:
            _network(self.net)
        except Exception as error:
            return f"lpips was left out: the weights of {self.net} cannot be downloaded ({error})."
        return ""

    def compare(self, output: Any, reference: Any) -> dict[str, float]:
        from fastflow_plugins.metrics.tensors import to_tensor

        distance = _network(self.net)(to_tensor(output), to_tensor(reference))
        return {"lpips": float(distance)}


@cache
def _network(net: str) -> Any:
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    return LearnedPerceptualImagePatchSimilarity(net_type=net, normalize=True)  # type: ignore
