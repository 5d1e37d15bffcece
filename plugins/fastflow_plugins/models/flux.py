"""FLUX: text to image with diffusers' FluxPipeline, through the pipeline's own methods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from fastflow.model import Adapter
from fastflow.records import Prompt
from fastflow_plugins.models.flux_flow import FluxFlow
from fastflow_plugins.models.loading import load_pipeline

WORLD = 300  # distinct prompts of the minis' world that training never shows


@dataclass(frozen=True, kw_only=True)
class Flux(Adapter):
    """FLUX.1 and models of its kind: any diffusers FluxPipeline, text to image.

    Args:
        path: a hub id, a folder that ``save_pretrained`` wrote, or ``flux_mini`` for the small
            model that comes with fastflow.
        height: of the image, in pixels.
        width: of the image, in pixels.
        guidance_scale: embedded guidance, one call per step; models without it ignore it.
        true_cfg_scale: true classifier-free guidance, two calls per step; 1 is off.
        negative_prompt: what true guidance steers away from, unless a request says it.
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
    true_cfg_scale: float = 1.0
    negative_prompt: str = ""
    max_sequence_length: int = 512
    revision: str | None = None
    variant: str | None = None

    def __post_init__(self):
        if not self.path.strip():
            raise ValueError("`path` is empty. Give a hub id (owner/name) or a folder.")
        for name in ("height", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")
        if not 0 <= self.guidance_scale < math.inf:
            raise ValueError(f"`guidance_scale` must be 0 or more, got {self.guidance_scale}.")
        if not 1 <= self.true_cfg_scale < math.inf:
            raise ValueError(
                f"`true_cfg_scale` must be 1 (off) or more, got {self.true_cfg_scale}."
            )
        if not 1 <= self.max_sequence_length <= 512:
            raise ValueError(
                f"`max_sequence_length` must be from 1 to 512, got {self.max_sequence_length}."
            )

    def load(self, device: str = "cpu", dtype: str = "float32") -> FluxFlow:
        path = self._folder_of_mini() if self.is_mini else self.path
        kind = self.flow.pipeline
        pipe = load_pipeline(path, kind, device, dtype, self.revision, self.variant)
        return self.flow(pipe, self)

    def prompts(self, count: int) -> list[Prompt]:
        if not self.is_mini:
            return []
        from fastflow_minis.scenes import held_out

        return [Prompt(prompt.text, prompt.task) for prompt in held_out(min(count, WORLD))]

    @property
    def is_mini(self) -> bool:
        """Whether it is the small model that comes with fastflow."""
        return self.path == self.mini

    def _folder_of_mini(self) -> str:
        import fastflow_minis

        try:
            return str(fastflow_minis.folder(self.path))
        except FileNotFoundError as error:
            raise ValueError(str(error)) from error
