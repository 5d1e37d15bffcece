"""Loads BAGEL's files: each weight goes straight to its device and is in memory only once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2Config, SiglipVisionConfig

from fastflow_plugins.models.bagel.checkpoint.autoencoder import load_autoencoder
from fastflow_plugins.models.bagel.checkpoint.files import Files
from fastflow_plugins.models.bagel.checkpoint.tokenizer import load_tokenizer
from fastflow_plugins.models.bagel.network import Markers, Network
from fastflow_plugins.models.diffusers import AGAIN

UNUSED_WEIGHTS = ("language_model.lm_head.weight",)  # predicts words, which images do not need
SHAPE = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


@dataclass(frozen=True)
class Parts:
    """Holds the parts of a loaded BAGEL.

    Args:
        network: reads texts and images, and computes velocities.
        autoencoder: diffusers' AutoencoderKL, in float32.
        tokenizer: transformers' Qwen2Tokenizer.
    """

    network: Network
    autoencoder: Any
    tokenizer: Any


def load_parts(
    path: str, device: torch.device, dtype: torch.dtype, revision: str | None = None
) -> Parts:
    """Loads BAGEL from a folder or from the hub.

    Args:
        path: a folder of BAGEL's files, or a hub id ``owner/name``.
        device: the device of all weights.
        dtype: the precision of the network; the autoencoder's is float32.
        revision: a branch, tag or commit of the hub repository.

    Raises:
        ValueError: naming the file that is missing, damaged or another model's.
    """
    files = Files.find(path, revision)
    language = files.config("llm_config.json", *SHAPE, "num_key_value_heads", "vocab_size")
    vision = files.config("vit_config.json", *SHAPE, "image_size", "patch_size")
    tokenizer, markers = load_tokenizer(files.folder, language["vocab_size"])
    weights = files.weights("ema.safetensors", device, dtype)
    network = _network(files.folder / "ema.safetensors", language, vision, weights, markers)
    pictures = files.weights("ae.safetensors", device, torch.float32)
    autoencoder = load_autoencoder(files.folder / "ae.safetensors", pictures)
    return Parts(network.eval(), autoencoder, tokenizer)


def _network(
    file: Path, language: dict, vision: dict, weights: dict[str, Tensor], markers: Markers
) -> Network:
    """Builds the network around its loaded weights, without allocating any others."""
    places = weights.get("latent_pos_embed.pos_embed", torch.empty(0))
    # without SigLIP's last layer, as BAGEL was trained on the output of the one before
    vision = vision | {"num_hidden_layers": vision["num_hidden_layers"] - 1}
    siglip = _config(SiglipVisionConfig, vision, file.with_name("vit_config.json"))
    siglip._attn_implementation = "sdpa"
    qwen = _config(Qwen2Config, language, file.with_name("llm_config.json"))
    try:
        with torch.device("meta"):
            network = Network(qwen, siglip, math.isqrt(len(places)), markers)
    except (TypeError, ValueError, ArithmeticError, RuntimeError, KeyError) as error:
        raise ValueError(_misfit(file, f"torch says: {_in_words(error)}")) from error
    try:
        missing, foreign = network.load_state_dict(weights, strict=False, assign=True)
    except RuntimeError as error:
        raise ValueError(_misfit(file, _in_words(error))) from error
    foreign = [name for name in foreign if name not in UNUSED_WEIGHTS]
    for names, verb in ((missing, "lack"), (foreign, "hold the unknown")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ValueError(_misfit(file, f"they {verb} {', '.join(names[:3])}{more}"))
    return network


def _config(kind: type, values: dict, file: Path) -> Any:
    """Returns a configuration of transformers, which checks its values."""
    try:
        return kind(**values)
    except Exception as error:  # of classes that its versions define
        raise ValueError(
            f"{file} does not make a {kind.__name__}. {AGAIN} transformers says: "
            f"{_in_words(error)}"
        ) from error


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split())[:400]


def _misfit(file: Path, reason: str) -> str:
    return (
        f"the weights {file} are not those of the BAGEL that llm_config.json and vit_config.json "
        f"next to them describe: {reason[:400]}. Take all three from BAGEL's repository."
    )
