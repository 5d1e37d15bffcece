"""Shared by all models that are diffusers pipelines: loading, checks, the velocity field."""

from fastflow_plugins.models.diffusers.checks import check_frames, check_size
from fastflow_plugins.models.diffusers.hub import download, has
from fastflow_plugins.models.diffusers.loading import check_device, without_warnings
from fastflow_plugins.models.diffusers.modulated_input import FluxProbe, HunyuanVideoProbe
from fastflow_plugins.models.diffusers.origin import AGAIN, check_settings
from fastflow_plugins.models.diffusers.pipeline_flow import PipelineFlow, in_branch, stack
from fastflow_plugins.models.diffusers.pipeline_recipe import PipelineRecipe
from fastflow_plugins.models.diffusers.shipped import edit_prompts, folder_of_mini, scene_prompts

__all__ = [
    "AGAIN",
    "FluxProbe",
    "HunyuanVideoProbe",
    "PipelineFlow",
    "PipelineRecipe",
    "check_device",
    "check_frames",
    "check_settings",
    "check_size",
    "download",
    "edit_prompts",
    "folder_of_mini",
    "has",
    "in_branch",
    "scene_prompts",
    "stack",
    "without_warnings",
]
