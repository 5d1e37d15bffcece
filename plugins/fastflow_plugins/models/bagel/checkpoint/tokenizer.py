"""BAGEL's words: Qwen2.5's, and the markers around texts and images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastflow_plugins.models.bagel.network import Markers

TEXT = "<|im_start|>", "<|im_end|>"
IMAGE = "<|vision_start|>", "<|vision_end|>"
# Qwen2.5 numbers its markers behind its words, in this order; vocab.json holds the words alone
WORDS = 151_643
RESERVED = (
    "<|endoftext|>",
    *TEXT,
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    *IMAGE,
)


def load_tokenizer(folder: Path, known: int) -> tuple[Any, Markers]:
    """Makes the tokenizer of a folder and finds the markers.

    Args:
        folder: holds vocab.json and merges.txt, and maybe a tokenizer's configuration.
        known: how many words the network knows.

    Raises:
        ValueError: naming the file, if it is damaged or numbers more words than that.
    """
    from transformers import Qwen2Tokenizer

    try:
        tokenizer = Qwen2Tokenizer.from_pretrained(str(folder), local_files_only=True)
        vocabulary = tokenizer.get_vocab()
    except Exception as error:
        words = " ".join(str(error).split())
        raise ValueError(
            f"{folder / 'vocab.json'} and merges.txt beside it make no tokenizer "
            f"({type(error).__name__}: {words[:200]}). Copy or download them again."
        ) from error
    tokenizer.add_tokens(list(RESERVED) if len(vocabulary) >= WORDS else [*TEXT, *IMAGE])
    if len(tokenizer) > known:
        raise ValueError(
            f"{folder / 'vocab.json'} does not fit llm_config.json beside it: with the markers it "
            f"has {len(tokenizer)} words, and the network knows {known}. Take both from BAGEL's "
            "repository."
        )
    text, image = (tuple(tokenizer.convert_tokens_to_ids(list(pair))) for pair in (TEXT, IMAGE))
    return tokenizer, Markers(text, image)
