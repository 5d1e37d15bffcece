"""FLUX: text to image with diffusers' FluxPipeline, through the pipeline's own methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastflow.sampling import Prompt
from fastflow_plugins.models.diffusers import PipelineRecipe, scene_prompts
from fastflow_plugins.models.flux.flux_flow import FluxFlow


@dataclass(frozen=True, kw_only=True)
class Flux(PipelineRecipe):
    """Draws images from text with FLUX.1, or with any other diffusers FluxPipeline.

    Args:
        path: a hub id, a folder that ``save_pretrained`` wrote, or ``flux_mini`` for the small
            model that comes with fastflow.
        height: of the image, in pixels.
        width: of the image, in pixels.
        guidance_scale: embedded guidance, one call per step; models without it ignore it.
        true_cfg_scale: true classifier-free guidance, two calls per step; 1 is off.
        negative_prompt: what true guidance steers away from, unless a request has its own.
        max_sequence_length: tokens of the T5 prompt; longer prompts are cut with a warning.
        revision: a branch, tag or commit of the hub repository.
        variant: picks weight files such as ``fp16``.
    """

    flow: ClassVar[type[FluxFlow]] = FluxFlow
    mini: ClassVar[str] = "flux_mini"

    path: str = "black-forest-labs/FLUX.1-dev"
    height: int = 1024
    width: int = 1024
    guidance_scale: float = 3.5

    def prompts_of_mini(self, count: int) -> list[Prompt]:
        return scene_prompts(count)
