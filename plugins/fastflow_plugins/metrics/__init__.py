"""Metrics: how close an output is to its reference, and how good it is by itself."""

from fastflow_plugins.metrics.brisque import Brisque
from fastflow_plugins.metrics.clip_score import ClipScore
from fastflow_plugins.metrics.edits import Edits
from fastflow_plugins.metrics.fidelity import Fidelity
from fastflow_plugins.metrics.lpips import Lpips
from fastflow_plugins.metrics.scenes import Scenes
from fastflow_plugins.metrics.videos import Videos

__all__ = [
    "Brisque",
    "ClipScore",
    "Edits",
    "Fidelity",
    "Lpips",
    "Scenes",
    "Videos",
]
