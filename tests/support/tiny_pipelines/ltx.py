"""LTX-Video: both branches of the guidance in one batch."""

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, LTXPipeline, LTXVideoTransformer3DModel

from . import autoencoders, texts
from .building import generator, ready, same_weights
from .case import Case, each_step

SHAPE = (1, 9, 3, 32, 64)


def pipeline(dtype: torch.dtype = torch.float32) -> LTXPipeline:
    """Returns an LTX pipeline, for frames of multiples of 32 pixels."""
    with same_weights():
        pipe = LTXPipeline(
            scheduler=scheduler(),
            vae=autoencoders.ltx(),
            text_encoder=texts.t5(),
            tokenizer=texts.t5_tokenizer(),
            transformer=transformer(),
        )
    return ready(pipe, dtype)


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Returns the scheduler of LTX-Video, whose last sigma before 0 is 0.1."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )


def transformer() -> LTXVideoTransformer3DModel:
    """Returns a transformer of two blocks, on 8 latent channels."""
    return LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=32,
        num_layers=2,
        caption_channels=texts.WIDTH,
    )


def inputs(**changes) -> dict:
    """Returns the arguments of a call, changed by ``changes``."""
    usual = {
        "prompt": "a red cat",
        "negative_prompt": "ugly",
        "height": 32,
        "width": 64,
        "num_frames": 9,
        "num_inference_steps": 8,
        "guidance_scale": 3.0,
        "generator": generator(),
        "max_sequence_length": 24,
        "output_type": "pt",
    }
    return usual | changes


CASES = (Case("ltx", pipeline, inputs, each_step("transformer", steps=8), SHAPE),)
