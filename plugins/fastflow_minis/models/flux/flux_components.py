"""The parts of FLUX's pipelines, small and untrained."""

# diffusers and transformers annotate these calls wrongly:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportIndexIssue=false

from collections.abc import Sequence

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from fastflow_minis.models.flux.flux_recipe import FluxParts, FluxRecipe
from fastflow_minis.models.word_tokenizers import clip_tokenizer, t5_tokenizer

FLUX_LEARNERS = ("transformer", "text_encoder", "text_encoder_2")
"""The parts that flow matching trains."""

_HEAD = 32
_ROPE = (8, 12, 12)
_NEIGHBOURS = ((1,), (9,), (2, 3), (10, 11))
"""T5's buckets of relative positions per head: -1; +1; -2 and -3; +2 and +3."""
_FOCUS = 8.0


def flux_autoencoder(recipe: FluxRecipe) -> AutoencoderKL:
    """Returns an untrained autoencoder: 64x64 images to 16x16 latents."""
    return AutoencoderKL(
        sample_size=64,
        block_out_channels=recipe.vae_channels,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=recipe.latent_channels,
        norm_num_groups=8,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


def flux_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Returns the scheduler with the configuration of FLUX.1-dev."""
    return FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000,
        shift=3.0,
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=4096,
    )


def flux_pipeline(
    kind: type[FluxPipeline], recipe: FluxParts, vae: AutoencoderKL, words: Sequence[str]
) -> FluxPipeline:
    """Puts an untrained transformer and text encoders around an autoencoder.

    Args:
        kind: FluxPipeline, or another class with the same parts.
        recipe: The sizes of the parts.
        vae: The autoencoder.
        words: The tokenizers' vocabulary.
    """
    torch.manual_seed(recipe.seed)
    tokenizer = clip_tokenizer(words, recipe.tokens)
    tokenizer_2 = t5_tokenizer(words, recipe.tokens)
    return kind(
        scheduler=flux_scheduler(),
        vae=vae,
        text_encoder=_clip(recipe, len(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=_t5(recipe, len(tokenizer_2)),
        tokenizer_2=tokenizer_2,
        transformer=_transformer(recipe, vae.config.latent_channels),
    )


def _transformer(recipe: FluxParts, latent_channels: int) -> FluxTransformer2DModel:
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * latent_channels,
        num_layers=recipe.double_blocks,
        num_single_layers=recipe.single_blocks,
        attention_head_dim=_HEAD,
        num_attention_heads=recipe.heads,
        joint_attention_dim=recipe.text_width,
        pooled_projection_dim=recipe.text_width,
        guidance_embeds=False,
        axes_dims_rope=_ROPE,
    )
    nn.init.zeros_(transformer.proj_out.weight)
    return transformer


def _clip(recipe: FluxParts, vocabulary: int) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=recipe.text_width,
        intermediate_size=2 * recipe.text_width,
        projection_dim=recipe.text_width,
        num_hidden_layers=recipe.clip_layers,
        num_attention_heads=4,
        max_position_embeddings=recipe.tokens,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config)


def _t5(recipe: FluxParts, vocabulary: int) -> T5EncoderModel:
    config = T5Config(
        vocab_size=vocabulary,
        d_model=recipe.text_width,
        d_kv=recipe.text_width // 4,
        d_ff=2 * recipe.text_width,
        num_layers=recipe.t5_layers,
        num_heads=4,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=16,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    return look_at_neighbours(T5EncoderModel(config))


def look_at_neighbours(encoder: T5EncoderModel) -> T5EncoderModel:
    """Makes every attention head attend to fixed relative positions, permanently.

    FLUX's text tokens carry no positions, so T5 must write into each token which words belong
    together ("a red circle and a blue square"). Trained from random weights for an hour, T5 stays
    a bag of words. With queries of zero, its relative position bias alone decides, and a noun's
    token contains its adjective from the first step on.

    Returns:
        The same encoder, changed in place.
    """
    attentions = [block.layer[0].SelfAttention for block in encoder.encoder.block]
    with torch.no_grad():
        bias = attentions[0].relative_attention_bias.weight
        bias.zero_()
        for head, buckets in enumerate(_NEIGHBOURS):
            bias[list(buckets), head] = _FOCUS
        for attention in attentions:
            attention.q.weight.zero_()
    for attention in attentions:
        attention.q.requires_grad_(False)
        attention.k.requires_grad_(False)
    return encoder
