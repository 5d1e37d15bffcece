"""FLUX, text to image; the parts of every pipeline of its family."""

from functools import partial

import torch
from diffusers import (
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)

from . import autoencoders, texts
from .building import generator, ready, same_weights
from .case import Case, each_step

HEIGHT, WIDTH = 16, 24
SHAPE = (1, 3, HEIGHT, WIDTH)
TRUE_CFG = {"negative_prompt": "ugly", "true_cfg_scale": 2.5}


def pipeline(
    dtype: torch.dtype = torch.float32,
    *,
    kind: type[DiffusionPipeline] = FluxPipeline,
    guidance_embeds: bool = True,
    **scheduler_options,
) -> DiffusionPipeline:
    """Returns a FLUX pipeline, for images of multiples of 4 pixels; always the same weights.

    Args:
        dtype: of its weights.
        kind: FluxPipeline, or another with the same parts.
        guidance_embeds: whether its transformer takes embedded guidance, like FLUX.1-dev.
        **scheduler_options: change the scheduler of FLUX.1-dev.
    """
    with same_weights():
        pipe = kind(**parts(guidance_embeds, **scheduler_options))
    return ready(pipe, dtype)


def parts(guidance_embeds: bool = True, **scheduler_options) -> dict:
    """Returns the components by name."""
    return {
        "scheduler": scheduler(**scheduler_options),
        "vae": autoencoders.image(scaling_factor=0.3611, shift_factor=0.1159),
        "text_encoder": texts.clip(),
        "tokenizer": texts.clip_tokenizer(),
        "text_encoder_2": texts.t5(),
        "tokenizer_2": texts.t5_tokenizer(),
        "transformer": transformer(guidance_embeds),
    }


def scheduler(**options) -> FlowMatchEulerDiscreteScheduler:
    """Returns the scheduler of FLUX.1-dev, changed by ``options``."""
    usual = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
    return FlowMatchEulerDiscreteScheduler(**usual | options)


def transformer(guidance_embeds: bool = True) -> FluxTransformer2DModel:
    """Returns a transformer of two blocks of each kind, on 4 latent channels."""
    return FluxTransformer2DModel(
        num_layers=2, num_single_layers=2, guidance_embeds=guidance_embeds, **sizes()
    )


def sizes() -> dict:
    """Returns the widths that a transformer and a ControlNet share."""
    return {
        "patch_size": 1,
        "in_channels": 16,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": texts.WIDTH,
        "pooled_projection_dim": texts.WIDTH,
        "axes_dims_rope": (4, 4, 8),
    }


def inputs(**changes) -> dict:
    """Returns the arguments of a call, changed by ``changes``."""
    usual = {
        "prompt": "a red cat",
        "height": HEIGHT,
        "width": WIDTH,
        "num_inference_steps": 8,
        "guidance_scale": 3.5,
        "generator": generator(),
        "max_sequence_length": 24,
        "output_type": "pt",
    }
    return usual | changes


CASES = (
    Case("flux", pipeline, inputs, each_step("transformer", steps=8), SHAPE),
    Case(
        "flux_true_cfg",
        pipeline,
        partial(inputs, **TRUE_CFG),
        each_step("transformer", "transformer", steps=8),
        SHAPE,
    ),
    Case(
        "flux_schnell",
        partial(pipeline, guidance_embeds=False, use_dynamic_shifting=False, shift=1.0),
        partial(inputs, guidance_scale=0.0, num_inference_steps=4),
        each_step("transformer", steps=4),
        SHAPE,
    ),
)
