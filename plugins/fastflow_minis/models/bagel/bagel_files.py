"""Writes a BAGEL as its official files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor

from fastflow_minis.models.bagel.bagel_components import llm_config, vit_config
from fastflow_minis.models.bagel.bagel_recipe import BagelRecipe
from fastflow_minis.models.word_tokenizers import qwen_tables
from fastflow_plugins.models.bagel.network import Network

_RENAMED = (
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"(down|up)_blocks\.(\d+)\.resnets\.(\d+)", r"\1.\2.block.\3"),
    (r"(down|up)_blocks\.(\d+)\.(down|up)samplers\.0", r"\1.\2.\3sample"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
)


def write_bagel(
    folder: Path, network: Network, vae: AutoencoderKL, words: Sequence[str], recipe: BagelRecipe
) -> None:
    """Writes BAGEL's six files, weights in half precision.

    Args:
        folder: The folder to write to.
        network: The network.
        vae: The autoencoder.
        words: The tokenizer's vocabulary.
        recipe: The sizes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = qwen_tables(words)
    vocabulary_size = network.transformer.embed_tokens.num_embeddings
    for name, content in (
        ("llm_config.json", llm_config(recipe, vocabulary_size)),
        ("vit_config.json", vit_config(recipe)),
        ("vocab.json", vocabulary),
    ):
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    lines = "".join(f"{a} {b}\n" for a, b in merges)
    (folder / "merges.txt").write_text(lines, encoding="utf-8")
    save_file(_half(network.state_dict()), folder / "ema.safetensors")
    save_file(_half(official_weights(vae)), folder / "ae.safetensors")


def official_weights(vae: AutoencoderKL) -> dict[str, Tensor]:
    """Returns an autoencoder's weights under the names of FLUX's ae.safetensors."""
    levels = len(vae.config["block_out_channels"])
    return {_renamed(name, levels): _shaped(name, w) for name, w in vae.state_dict().items()}


def _renamed(name: str, levels: int) -> str:
    for pattern, by in _RENAMED:
        name = re.sub(pattern, by, name)
    # the official decoder numbers its levels from the finest on
    return re.sub(r"\.up\.(\d+)\.", lambda m: f".up.{levels - 1 - int(m[1])}.", name)


def _shaped(name: str, weight: Tensor) -> Tensor:
    """Returns a weight in its official shape: attention there consists of 1 x 1 convolutions."""
    is_attention = "attentions" in name and weight.ndim == 2
    return weight[:, :, None, None] if is_attention else weight


def _half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.half().contiguous() for name, weight in weights.items()}
