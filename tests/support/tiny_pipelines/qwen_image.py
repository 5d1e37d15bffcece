"""Qwen-Image: guidance of two calls, rescaled to the conditional norm."""

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)

from . import autoencoders, texts
from .building import generator, ready, same_weights
from .case import Case, each_step

SHAPE = (1, 3, 32, 48)


def pipeline(dtype: torch.dtype = torch.float32) -> QwenImagePipeline:
    """Returns a Qwen-Image pipeline, for images of multiples of 16 pixels."""
    with same_weights():
        pipe = QwenImagePipeline(
            scheduler=scheduler(),
            vae=autoencoders.qwen_image(),
            text_encoder=texts.qwen(),
            tokenizer=texts.qwen_tokenizer(),
            transformer=transformer(),
        )
    return ready(pipe, dtype)


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Returns the scheduler of Qwen-Image, whose last sigma before 0 is 0.02."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=0.9,
        max_image_seq_len=8192,
        shift_terminal=0.02,
    )


def transformer() -> QwenImageTransformer2DModel:
    """Returns a transformer of two blocks, on 16 latent channels in patches of 2 x 2."""
    return QwenImageTransformer2DModel(
        in_channels=64,
        out_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 4, 8),
    )


def inputs(**changes) -> dict:
    """Returns the arguments of a call, changed by ``changes``."""
    usual = {
        "prompt": "a red cat",
        "negative_prompt": " ",
        "true_cfg_scale": 4.0,
        "height": 32,
        "width": 48,
        "num_inference_steps": 8,
        "generator": generator(),
        "output_type": "pt",
    }
    return usual | changes


CASES = (
    Case(
        "qwen_image",
        pipeline,
        inputs,
        each_step("transformer", "transformer", steps=8),
        SHAPE,
    ),
)
