"""The parts of a HunyuanVideoPipeline, small and untrained."""

# diffusers and transformers annotate these calls wrongly:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from collections.abc import Sequence

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaModel

from fastflow_minis.models.hunyuan_video.hunyuan_video_recipe import HunyuanVideoRecipe
from fastflow_minis.models.word_tokenizers import clip_tokenizer, llama_tokenizer

HUNYUAN_VIDEO_LEARNERS = ("transformer", "text_encoder", "text_encoder_2")
"""The parts that flow matching trains."""

UNUSED_LAYERS = 2
"""Last layers of the language model whose output the pipeline does not use."""

PROMPT_TEMPLATE = {"template": "{}", "crop_start": 0}
"""The template around the mini's captions: none."""

_HEAD = 32
_ROPE = (8, 12, 12)
_CLIP_TOKENS = 77  # the pipeline always pads to as many


def hunyuan_video_pipeline(
    recipe: HunyuanVideoRecipe, vae: AutoencoderKLHunyuanVideo, words: Sequence[str]
) -> HunyuanVideoPipeline:
    """Puts an untrained transformer and text encoders around an autoencoder.

    Args:
        recipe: The sizes of the parts.
        vae: The autoencoder.
        words: The tokenizers' vocabulary.
    """
    torch.manual_seed(recipe.seed)
    tokenizer = llama_tokenizer(words, recipe.tokens)
    tokenizer_2 = clip_tokenizer(words, _CLIP_TOKENS)
    return HunyuanVideoPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),  # the released model's
        vae=vae,
        text_encoder=_llama(recipe, len(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=_clip(recipe, len(tokenizer_2)),
        tokenizer_2=tokenizer_2,
        transformer=_transformer(recipe),
    )


def _transformer(recipe: HunyuanVideoRecipe) -> HunyuanVideoTransformer3DModel:
    transformer = HunyuanVideoTransformer3DModel(
        in_channels=recipe.latent_channels,
        out_channels=recipe.latent_channels,
        num_attention_heads=recipe.heads,
        attention_head_dim=_HEAD,
        num_layers=recipe.double_blocks,
        num_single_layers=recipe.single_blocks,
        num_refiner_layers=recipe.refiner_blocks,
        patch_size=recipe.patch,
        guidance_embeds=False,
        text_embed_dim=recipe.text_width,
        pooled_projection_dim=recipe.text_width,
        rope_axes_dim=_ROPE,
    )
    nn.init.zeros_(transformer.proj_out.weight)
    return transformer


def _llama(recipe: HunyuanVideoRecipe, vocabulary: int) -> LlamaModel:
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=recipe.text_width,
        intermediate_size=2 * recipe.text_width,
        num_hidden_layers=recipe.llama_layers + UNUSED_LAYERS,
        num_attention_heads=4,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )
    return LlamaModel(config)


def _clip(recipe: HunyuanVideoRecipe, vocabulary: int) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=recipe.text_width,
        intermediate_size=2 * recipe.text_width,
        projection_dim=recipe.text_width,
        num_hidden_layers=recipe.clip_layers,
        num_attention_heads=4,
        max_position_embeddings=_CLIP_TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config)
