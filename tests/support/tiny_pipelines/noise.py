"""Pipelines that predict noise, on a U-Net and on a transformer: no flow matching."""

import torch
from diffusers import (
    DDIMScheduler,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from . import autoencoders, texts
from .building import generator, ready, same_weights
from .case import Case, each_step

SHAPE = (1, 3, 16, 24)


def ddim() -> DDIMScheduler:
    """Returns a scheduler for predicted noise."""
    return DDIMScheduler(clip_sample=False, steps_offset=1)


def stable_diffusion(dtype: torch.dtype = torch.float32) -> StableDiffusionPipeline:
    """Returns a Stable Diffusion pipeline, a U-Net, for images of multiples of 8 pixels."""
    with same_weights():
        pipe = StableDiffusionPipeline(
            vae=autoencoders.image(),
            text_encoder=texts.clip(),
            tokenizer=texts.clip_tokenizer(),
            unet=unet(),
            scheduler=ddim(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return ready(pipe, dtype)


def unet() -> UNet2DConditionModel:
    """Returns a U-Net of two levels, on 4 latent channels."""
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=texts.WIDTH,
        attention_head_dim=2,
    )


def pixart(dtype: torch.dtype = torch.float32) -> PixArtAlphaPipeline:
    """Returns a PixArt-alpha pipeline, a transformer, for images of multiples of 4 pixels."""
    with same_weights():
        pipe = PixArtAlphaPipeline(
            tokenizer=texts.t5_tokenizer(),
            text_encoder=texts.t5(),
            vae=autoencoders.image(),
            transformer=pixart_transformer(),
            scheduler=ddim(),
        )
    return ready(pipe, dtype)


def pixart_transformer() -> PixArtTransformer2DModel:
    """Returns a transformer of two blocks that predicts noise and its variance."""
    return PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        cross_attention_dim=32,
        sample_size=8,
        caption_channels=texts.WIDTH,
        use_additional_conditions=False,
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
        "output_type": "pt",
    }
    return usual | changes


def pixart_inputs(**changes) -> dict:
    """Returns the arguments of a call to PixArt, which else rounds sizes to those it knows."""
    usual = {"use_resolution_binning": False, "clean_caption": False, "max_sequence_length": 24}
    return inputs(**usual | changes)


CASES = (
    Case("stable_diffusion", stable_diffusion, inputs, each_step("unet", steps=8), SHAPE),
    Case("pixart", pixart, pixart_inputs, each_step("transformer", steps=8), SHAPE),
)
