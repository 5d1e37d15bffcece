"""The parts of a BAGEL, small and untrained."""

# diffusers and transformers annotate these calls wrongly:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2Tokenizer, SiglipVisionConfig

from fastflow_minis.models.bagel.bagel_recipe import BagelRecipe
from fastflow_minis.models.word_tokenizers import qwen_tables
from fastflow_plugins.models.bagel.checkpoint import IMAGE, SCALE, SHIFT, TEXT, groups
from fastflow_plugins.models.bagel.network import Markers, Network

POSITION_SIDE = 8  # latent tokens on a side that the network has positions for: 128 pixels
VIEW_SIDE = 56  # pixels on a side of SigLIP's input
VIEW_PATCH = 14

_BASE = 100.0  # of the rotary positions; sentences have a dozen words
_BACK = (1, 2)  # how many words back each of the first heads attends
_GUIDED = 2  # layers of which that is true
_FOCUS = 1.5


def llm_config(recipe: BagelRecipe, vocabulary: int) -> dict[str, Any]:
    """Returns the content of llm_config.json.

    Args:
        recipe: The sizes.
        vocabulary: Number of tokens, markers included.
    """
    return {
        "hidden_size": recipe.width,
        "intermediate_size": recipe.inner,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "num_key_value_heads": recipe.key_heads,
        "vocab_size": vocabulary,
        "rope_theta": _BASE,
        "rms_norm_eps": 1e-6,
    }


def vit_config(recipe: BagelRecipe) -> dict[str, Any]:
    """Returns the content of vit_config.json; the last layer is not used, as in BAGEL."""
    return {
        "hidden_size": recipe.vision_width,
        "intermediate_size": 2 * recipe.vision_width,
        "num_hidden_layers": recipe.vision_layers + 1,
        "num_attention_heads": 4,
        "image_size": VIEW_SIDE,
        "patch_size": VIEW_PATCH,
        "num_channels": 3,
    }


def bagel_tokenizer(words: tuple[str, ...]) -> Qwen2Tokenizer:
    """Returns a tokenizer of whole words and, after them, the markers."""
    vocabulary, merges = qwen_tables(words)
    made = Qwen2Tokenizer(vocab=vocabulary, merges=merges)
    made.add_tokens([*TEXT, *IMAGE])
    return made


def bagel_network(recipe: BagelRecipe, words: Qwen2Tokenizer) -> Network:
    """Returns an untrained network with its position tables."""
    torch.manual_seed(recipe.seed)
    text, image = (tuple(words.convert_tokens_to_ids(list(pair))) for pair in (TEXT, IMAGE))
    used = vit_config(recipe) | {"num_hidden_layers": recipe.vision_layers}
    siglip = SiglipVisionConfig(**used)
    siglip._attn_implementation = "sdpa"
    config = Qwen2Config(**llm_config(recipe, len(words)))
    made = Network(config, siglip, POSITION_SIDE, Markers(text, image))
    for table in (made.latent_pos_embed, made.vit_pos_embed):
        table.pos_embed.copy_(position_table(table.side, recipe.width))
    nn.init.zeros_(made.llm2vae.weight)
    nn.init.zeros_(made.llm2vae.bias)
    look_back(made)
    return made


def position_table(side: int, width: int) -> Tensor:
    """Returns sines and cosines ``(side * side, width)`` of rows and of columns."""
    frequencies = 1.0 / 10_000 ** (torch.arange(width // 4) / (width // 4))
    angles = torch.arange(side)[:, None] * frequencies
    one = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = one.repeat_interleave(side, 0), one.repeat(side, 1)
    return torch.cat([rows, columns], dim=1)


@torch.no_grad()
def look_back(made: Network) -> None:
    """Initialises the first heads of the first layers to attend to the words before.

    From random weights, a transformer takes long to learn which words belong together ("a red
    circle and a blue square"). Queries and keys that are the same for every word depend only on
    distance: by the phases of the rotary frequencies they agree one or two words back. Training
    is free to change all of it.
    """
    for layer in made.transformer.layers[:_GUIDED]:
        attention: Any = layer.self_attn
        size = attention.size
        frequencies = 1.0 / _BASE ** (torch.arange(0, size, 2) / size)
        for projection, angles in (
            (attention.k_proj, [torch.zeros(size // 2)]),
            (attention.q_proj, [-back * frequencies for back in _BACK]),
        ):
            heads = torch.cat([torch.cat([a.cos(), a.sin()]) for a in angles])
            projection.weight[: len(heads)] = 0
            projection.bias[: len(heads)] = heads
        for norm in (attention.q_norm, attention.k_norm):
            norm.weight.fill_(_FOCUS)


def bagel_autoencoder(recipe: BagelRecipe) -> AutoencoderKL:
    """Returns an untrained autoencoder of FLUX's layout: 64x64 images to 8x8 latents."""
    levels = len(recipe.vae_channels)
    return AutoencoderKL(
        block_out_channels=recipe.vae_channels,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=recipe.latent_channels,
        norm_num_groups=groups(recipe.vae_channels),
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=SCALE,
        shift_factor=SHIFT,
    )


@torch.no_grad()
def scale_latents(vae: AutoencoderKL, spread: float) -> None:
    """Scales latents of this standard deviation so that it is 1 after BAGEL's fixed scale."""
    factor = 1 / (SCALE * spread)
    out: Any = vae.encoder.conv_out
    channels = vae.config.latent_channels
    out.weight[:channels] *= factor
    out.bias[:channels] *= factor
    out.bias[channels:] += 2 * math.log(factor)
    vae.decoder.conv_in.weight /= factor
