"""Pipelines of flow matching whose scheduler calls the model twice a step."""

from collections.abc import Callable
from functools import partial

import torch
from diffusers import DiffusionPipeline, FlowMatchHeunDiscreteScheduler

from . import flux, sd3
from .case import Case, each_step


def with_heun(build: Callable, dtype: torch.dtype = torch.float32) -> DiffusionPipeline:
    """Returns a pipeline with Heun's scheduler in place of its own."""
    pipe = build(dtype)
    pipe.scheduler = FlowMatchHeunDiscreteScheduler(shift=3.0)
    return pipe


CASES = (
    # FluxPipeline hands its scheduler sigmas and Heun's takes none: no step is ever made
    Case("flux_heun", partial(with_heun, flux.pipeline), flux.inputs, (), flux.SHAPE),
    Case(
        "sd3_heun",
        partial(with_heun, sd3.pipeline),
        sd3.inputs,
        each_step("transformer", steps=15),  # 8, and 7 corrections: the last has none
        sd3.SHAPE,
    ),
)
