"""HunyuanVideo 1.5: its guidance is a component, the guider."""

import torch
from diffusers import (
    ClassifierFreeGuidance,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
)
from transformers import ByT5Tokenizer

from . import autoencoders, texts
from .building import generator, ready, same_weights
from .case import Case, each_step

SHAPE = (1, 5, 3, 16, 32)


def pipeline(dtype: torch.dtype = torch.float32) -> HunyuanVideo15Pipeline:
    """Returns a HunyuanVideo 1.5 pipeline, for frames of multiples of 16 pixels."""
    with same_weights():
        pipe = HunyuanVideo15Pipeline(
            text_encoder=texts.qwen_text(),
            tokenizer=texts.qwen_tokenizer(),
            transformer=transformer(),
            vae=autoencoders.hunyuan_video_15(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
            text_encoder_2=texts.byt5(),
            tokenizer_2=ByT5Tokenizer(),
            guider=ClassifierFreeGuidance(guidance_scale=6.0),
        )
    return ready(_shorten(pipe), dtype)


def _shorten(pipe: HunyuanVideo15Pipeline) -> HunyuanVideo15Pipeline:
    """Shortens texts that the pipeline pads to 2,000 tokens: 0.2 seconds for each velocity."""
    pipe.system_message = "Describe."
    # what comes before the prompt: a token for each mark (|), line break (_) and letter
    pipe.prompt_template_encode_start_idx = len("|system_Describe.|_|user_")
    pipe.tokenizer_max_length = 48
    pipe.tokenizer_2_max_length = 4
    pipe.vision_num_semantic_tokens = 9
    return pipe


def transformer() -> HunyuanVideo15Transformer3DModel:
    """Returns a transformer of two blocks and a text refiner of one layer."""
    return HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        num_refiner_layers=1,
        text_embed_dim=16,
        text_embed_2_dim=texts.WIDTH,
        image_embed_dim=8,
        rope_axes_dim=(4, 6, 6),
        task_type="t2v",
    )


def inputs(**changes) -> dict:
    """Returns the arguments of a call, changed by ``changes``."""
    usual = {
        "prompt": 'a red cat and the word "miau"',
        "negative_prompt": "ugly",
        "height": 16,
        "width": 32,
        "num_frames": 5,
        "num_inference_steps": 8,
        "generator": generator(),
        "output_type": "pt",
    }
    return usual | changes


CASES = (
    Case(
        "hunyuan_video_15",
        pipeline,
        inputs,
        each_step("transformer", "transformer", steps=8),
        SHAPE,
    ),
)
