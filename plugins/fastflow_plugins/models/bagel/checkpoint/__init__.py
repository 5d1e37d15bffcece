"""BAGEL's official files: how they are found, checked and loaded."""

from fastflow_plugins.models.bagel.checkpoint.autoencoder import (
    SCALE,
    SHIFT,
    decode_latents,
    encode_latents,
    groups,
    load_autoencoder,
)
from fastflow_plugins.models.bagel.checkpoint.files import NAMES, Files
from fastflow_plugins.models.bagel.checkpoint.parts import Parts, load_parts
from fastflow_plugins.models.bagel.checkpoint.tokenizer import IMAGE, TEXT, WORDS, load_tokenizer

__all__ = [
    "IMAGE",
    "NAMES",
    "SCALE",
    "SHIFT",
    "TEXT",
    "WORDS",
    "Files",
    "Parts",
    "decode_latents",
    "encode_latents",
    "groups",
    "load_autoencoder",
    "load_parts",
    "load_tokenizer",
]
