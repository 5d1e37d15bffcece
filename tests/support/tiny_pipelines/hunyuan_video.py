"""HunyuanVideo: embedded guidance, and true guidance of two calls."""

from functools import partial

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
)

from . import autoencoders, texts
from .building import generator, ready, same_weights
from .case import Case, each_step

SHAPE = (1, 5, 3, 16, 32)


def pipeline(
    dtype: torch.dtype = torch.float32,
    *,
    guidance_embeds: bool = True,
    patch_size: int = 2,
    **scheduler_options,
) -> HunyuanVideoPipeline:
    """Returns a HunyuanVideo pipeline, for frames of multiples of 8 pixels times the patch size.

    Args:
        dtype: of its weights.
        guidance_embeds: whether its transformer takes embedded guidance, as the released one.
        patch_size: of its transformer, in latents.
        **scheduler_options: change the scheduler.
    """
    with same_weights():
        pipe = HunyuanVideoPipeline(
            text_encoder=texts.llama(),
            tokenizer=texts.llama_tokenizer(),
            transformer=transformer(guidance_embeds, patch_size),
            vae=autoencoders.hunyuan_video(),
            scheduler=FlowMatchEulerDiscreteScheduler(**{"shift": 7.0} | scheduler_options),
            text_encoder_2=texts.clip(),
            tokenizer_2=texts.clip_tokenizer(),
        )
    return ready(pipe, dtype)


def transformer(guidance_embeds: bool, patch_size: int) -> HunyuanVideoTransformer3DModel:
    """Returns a transformer of one block of each kind and a text refiner of one layer."""
    return HunyuanVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=patch_size,
        guidance_embeds=guidance_embeds,
        text_embed_dim=16,
        pooled_projection_dim=texts.WIDTH,
        rope_axes_dim=(4, 6, 6),
    )


def inputs(**changes) -> dict:
    """Returns the arguments of a call, changed by ``changes``."""
    usual = {
        "prompt": "a red cat",
        "height": 16,
        "width": 32,
        "num_frames": 5,
        "num_inference_steps": 8,
        "guidance_scale": 6.0,
        "generator": generator(),
        # the pipeline's own has 500 characters, and as many tokens here
        "prompt_template": {"template": "a video: {}", "crop_start": 9},
        "max_sequence_length": 24,
        "output_type": "pt",
    }
    return usual | changes


CASES = (
    Case("hunyuan_video", pipeline, inputs, each_step("transformer", steps=8), SHAPE),
    Case(
        "hunyuan_video_true_cfg",
        pipeline,
        partial(inputs, negative_prompt="ugly", true_cfg_scale=2.5),
        each_step("transformer", "transformer", steps=8),
        SHAPE,
    ),
)
