"""Stable Diffusion 3: both branches of the guidance in one batch."""

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)

from . import autoencoders, texts
from .building import generator, ready, same_weights
from .case import Case, each_step

SHAPE = (1, 3, 16, 24)


def pipeline(dtype: torch.dtype = torch.float32) -> StableDiffusion3Pipeline:
    """Returns a Stable Diffusion 3 pipeline, for images of multiples of 4 pixels."""
    with same_weights():
        pipe = StableDiffusion3Pipeline(
            transformer=transformer(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=autoencoders.image(scaling_factor=1.5305, shift_factor=0.0609),
            # the two stand side by side in the width of the third
            text_encoder=texts.projected_clip(texts.WIDTH // 2),
            tokenizer=texts.clip_tokenizer(),
            text_encoder_2=texts.projected_clip(texts.WIDTH // 2),
            tokenizer_2=texts.clip_tokenizer(),
            text_encoder_3=texts.t5(),
            tokenizer_3=texts.t5_tokenizer(),
        )
    return ready(pipe, dtype)


def transformer() -> SD3Transformer2DModel:
    """Returns a transformer of two blocks, one with a second attention as in SD 3.5."""
    return SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=texts.WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=texts.WIDTH,
        pos_embed_max_size=16,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )


def inputs(**changes) -> dict:
    """Returns the arguments of a call, changed by ``changes``."""
    usual = {
        "prompt": "a red cat",
        "negative_prompt": "ugly",
        "height": 16,
        "width": 24,
        "num_inference_steps": 8,
        "guidance_scale": 5.0,
        "generator": generator(),
        "max_sequence_length": 24,
        "output_type": "pt",
    }
    return usual | changes


CASES = (Case("sd3", pipeline, inputs, each_step("transformer", steps=8), SHAPE),)
