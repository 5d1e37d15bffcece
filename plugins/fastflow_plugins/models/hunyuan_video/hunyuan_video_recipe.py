"""HunyuanVideo: text to video with diffusers' HunyuanVideoPipeline, through its own methods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from fastflow.sampling import Prompt
from fastflow_plugins.models.diffusers import PipelineRecipe
from fastflow_plugins.models.hunyuan_video.hunyuan_video_flow import HunyuanVideoFlow


@dataclass(frozen=True, kw_only=True)
class HunyuanVideo(PipelineRecipe):
    """Makes videos from text with HunyuanVideo, or any other diffusers HunyuanVideoPipeline.

    Args:
        path: a hub id, a folder that ``save_pretrained`` wrote, or ``hunyuan_video_mini`` for the
            small model that comes with fastflow.
        frames: of the video; one more than a multiple of the autoencoder's factor in time, 4.
        height: of a frame, in pixels.
        width: of a frame, in pixels.
        fps: frames per second of the saved file; the model does not depend on it.
        guidance_scale: embedded guidance, one call per step; models without it ignore it.
        true_cfg_scale: true classifier-free guidance, two calls per step; 1 is off.
        negative_prompt: what true guidance steers away from, unless a request has its own.
        prompt_template: what the language model reads, with ``{}`` for the prompt; None is the
            pipeline's own, which asks for a description of a video.
        crop_start: how many tokens of your own template come before the prompt and are cut off
            after encoding; None counts them.
        max_sequence_length: tokens of the prompt for the language model; longer prompts are cut.
        revision: a branch, tag or commit of the hub repository.
        variant: picks weight files such as ``fp16``.
    """

    flow: ClassVar[type[HunyuanVideoFlow]] = HunyuanVideoFlow
    mini: ClassVar[str] = "hunyuan_video_mini"

    path: str = "hunyuanvideo-community/HunyuanVideo"
    frames: int = 129
    height: int = 720
    width: int = 1280
    fps: float = 24.0
    guidance_scale: float = 6.0
    prompt_template: str | None = None
    crop_start: int | None = None
    max_sequence_length: int = 256

    def __post_init__(self):
        super().__post_init__()
        if self.frames < 1:
            raise ValueError(f"`frames` must be 1 or more, got {self.frames}.")
        if not 0 < self.fps < math.inf:
            raise ValueError(f"`fps` must be more than 0, got {self.fps}.")
        _check_template(self.prompt_template, self.crop_start)

    def prompts_of_mini(self, count: int) -> list[Prompt]:
        from fastflow_minis.worlds.videos.video_world import held_out_motions

        return [Prompt(asked.text, asked.task) for asked in held_out_motions(count)]


def _check_template(template: str | None, crop_start: int | None) -> None:
    """Raises a ValueError unless a prompt can be put into the template."""
    if template is None:
        if crop_start is not None:
            raise ValueError(
                f"`crop_start` belongs to a `prompt_template` of your own, got {crop_start} "
                "without one. Give both or neither."
            )
        return
    try:
        fits = template.count("{}") == 1 and template.format("") == template.replace("{}", "")
    except (ValueError, LookupError):
        fits = False
    if not fits:
        raise ValueError(
            "`prompt_template` must have {} once, where the prompt goes, and no other braces, got "
            f"{template!r}."
        )
    if crop_start is not None and crop_start < 0:
        raise ValueError(f"`crop_start` must be 0 or more, got {crop_start}.")
