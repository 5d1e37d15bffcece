"""FLUX Kontext: edits of images with diffusers' FluxKontextPipeline, through its own methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastflow.sampling import Prompt
from fastflow_plugins.models.diffusers import edit_prompts
from fastflow_plugins.models.flux import Flux, FluxFlow
from fastflow_plugins.models.flux_kontext.flux_kontext_flow import KontextFlow


@dataclass(frozen=True, kw_only=True)
class FluxKontext(Flux):
    """Edits images by instruction with FLUX.1 Kontext, or any other FluxKontextPipeline.

    A request without an image draws one from its text alone.

    Args:
        path: a hub id, a folder that ``save_pretrained`` wrote, or ``kontext_mini`` for the small
            model that comes with fastflow.
        height: of the result; only the aspect ratio counts, as the pipeline scales to `max_area`.
        width: of the result, likewise.
        max_area: of the result, in square pixels.
        auto_resize: whether a reference image is resized to the nearest of the sizes that FLUX.1
            Kontext was trained on, about 1024 x 1024; otherwise it keeps its size.
        guidance_scale: embedded guidance, one call per step; models without it ignore it.
        true_cfg_scale: true classifier-free guidance, two calls per step; 1 is off.
        negative_prompt: what true guidance steers away from, unless a request has its own.
        max_sequence_length: tokens of the T5 prompt; longer prompts are cut with a warning.
        revision: a branch, tag or commit of the hub repository.
        variant: picks weight files such as ``fp16``.
    """

    flow: ClassVar[type[FluxFlow]] = KontextFlow
    mini: ClassVar[str] = "kontext_mini"
    takes_images: ClassVar[bool] = True

    path: str = "black-forest-labs/FLUX.1-Kontext-dev"
    guidance_scale: float = 2.5
    max_area: int = 1024 * 1024
    auto_resize: bool = True

    def __post_init__(self):
        super().__post_init__()
        if self.max_area < 1:
            raise ValueError(f"`max_area` must be 1 or more, got {self.max_area}.")

    def prompts_of_mini(self, count: int) -> list[Prompt]:
        return edit_prompts(count)
