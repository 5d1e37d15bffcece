"""Wan 2.1, one transformer; Wan 2.2, a second one for the last part of the grid."""

from collections.abc import Callable
from functools import partial

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)

from . import autoencoders, texts
from .building import generator, ready, same_weights
from .case import Case, each_step

SHAPE = (1, 5, 3, 16, 32)


def euler() -> FlowMatchEulerDiscreteScheduler:
    """Returns Euler's scheduler at the shift of 480p."""
    return FlowMatchEulerDiscreteScheduler(shift=3.0)


def unipc() -> UniPCMultistepScheduler:
    """Returns the scheduler that the repositories of Wan come with, at the shift of 480p.

    https://huggingface.co/Wan-AI/Wan2.1-T2V-1.3B-Diffusers
    """
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )


def pipeline(
    dtype: torch.dtype = torch.float32, *, experts: int = 1, scheduler: Callable = euler
) -> WanPipeline:
    """Returns a Wan pipeline, for frames of multiples of 16 pixels.

    Args:
        dtype: of its weights.
        experts: 1 as in Wan 2.1; 2 as in Wan 2.2, the second below timestep 875.
        scheduler: returns a fresh one.
    """
    with same_weights():
        pipe = WanPipeline(
            tokenizer=texts.t5_tokenizer(),
            text_encoder=texts.umt5(),
            vae=autoencoders.wan(),
            scheduler=scheduler(),
            transformer=transformer(),
            transformer_2=transformer() if experts == 2 else None,
            boundary_ratio=0.875 if experts == 2 else None,
        )
    return ready(pipe, dtype)


def transformer() -> WanTransformer3DModel:
    """Returns a transformer of two blocks, on 16 latent channels in patches of 2 x 2."""
    return WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=texts.WIDTH,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
    )


def inputs(**changes) -> dict:
    """Returns the arguments of a call, changed by ``changes``."""
    usual = {
        "prompt": "a red cat",
        "negative_prompt": "ugly",
        "height": 16,
        "width": 32,
        "num_frames": 5,
        "num_inference_steps": 8,
        "guidance_scale": 5.0,
        "generator": generator(),
        "max_sequence_length": 24,
        "output_type": "pt",
    }
    return usual | changes


ONE = each_step("transformer", "transformer", steps=8)
TWO = ONE[:3] + each_step("transformer_2", "transformer_2", steps=5)
CASES = (
    Case("wan_21", pipeline, inputs, ONE, SHAPE),
    Case("wan_21_unipc", partial(pipeline, scheduler=unipc), inputs, ONE, SHAPE),
    Case(
        "wan_22",
        partial(pipeline, experts=2),
        partial(inputs, guidance_scale=4.0, guidance_scale_2=3.0),
        TWO,
        SHAPE,
    ),
    Case(
        "wan_22_unipc",
        partial(pipeline, experts=2, scheduler=unipc),
        partial(inputs, guidance_scale=4.0, guidance_scale_2=3.0),
        TWO,
        SHAPE,
    ),
)
