"""HunyuanVideo: text to video."""

from fastflow_plugins.models.hunyuan_video.hunyuan_video_flow import HunyuanVideoFlow
from fastflow_plugins.models.hunyuan_video.hunyuan_video_recipe import HunyuanVideo

__all__ = [
    "HunyuanVideo",
    "HunyuanVideoFlow",
]
