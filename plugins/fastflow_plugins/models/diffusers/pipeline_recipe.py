"""Shared by the recipes of all diffusers pipelines: location, size and guidance."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from fastflow.sampling import Model, Prompt
from fastflow_plugins.models.diffusers.loading import load_pipeline
from fastflow_plugins.models.diffusers.pipeline_flow import PipelineFlow
from fastflow_plugins.models.diffusers.shipped import folder_of_mini


@dataclass(frozen=True, kw_only=True)
class PipelineRecipe(Model):
    """Names a diffusers pipeline with one transformer, and how to use it.

    Attributes:
        flow: the class of the loaded model.
        mini: the name of the small model of its kind that comes with fastflow.
        longest: the most tokens that a prompt may have.

    Args:
        path: a hub id, a folder that ``save_pretrained`` wrote, or the name in `mini`.
        height: of the output, in pixels.
        width: of the output, in pixels.
        guidance_scale: embedded guidance, one call per step.
        true_cfg_scale: true classifier-free guidance, two calls per step; 1 is off.
        negative_prompt: what true guidance steers away from, unless a request has its own.
        max_sequence_length: tokens of the prompt.
        revision: a branch, tag or commit of the hub repository.
        variant: picks weight files such as ``fp16``.
    """

    flow: ClassVar[type[PipelineFlow]]
    mini: ClassVar[str]
    longest: ClassVar[int] = 512

    path: str
    height: int
    width: int
    guidance_scale: float
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
        if not 1 <= self.max_sequence_length <= self.longest:
            raise ValueError(
                f"`max_sequence_length` must be from 1 to {self.longest}, got "
                f"{self.max_sequence_length}."
            )

    def load(self, device: str = "cpu", dtype: str = "float32") -> PipelineFlow:
        path = folder_of_mini(self.path) if self.is_mini else self.path
        kind = self.flow.pipeline
        pipe = load_pipeline(path, kind, device, dtype, self.revision, self.variant)
        return self.flow(pipe, self)

    def prompts(self, count: int) -> list[Prompt]:
        return self.prompts_of_mini(count) if self.is_mini else []

    @abstractmethod
    def prompts_of_mini(self, count: int) -> list[Prompt]:
        """Returns up to ``count`` prompts for the mini, none of which training shows."""

    @property
    def is_mini(self) -> bool:
        """Whether it is the small model that comes with fastflow."""
        return self.path == self.mini
