"""BAGEL's tokenizer: the words of Qwen2.5, and the markers around texts and images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastflow_plugins.models.bagel.network import Markers

TEXT = "<|im_start|>", "<|im_end|>"
IMAGE = "<|vision_start|>", "<|vision_end|>"
# in Qwen2.5 the ids of the markers follow those of the words, in this order; vocab.json has only
# the words
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


def load_tokenizer(folder: Path, vocabulary_size: int) -> tuple[Any, Markers]:
    """Loads the tokenizer of a folder and finds the markers' ids.

    Args:
        folder: contains vocab.json and merges.txt, and perhaps a tokenizer's configuration.
        vocabulary_size: how many tokens the network has embeddings for.

    Raises:
        ValueError: naming the file, if it is damaged or has more words than that.
    """
    from transformers import Qwen2Tokenizer

    try:
        tokenizer = Qwen2Tokenizer.from_pretrained(str(folder), local_files_only=True)
        vocabulary = tokenizer.get_vocab()
    except Exception as error:
        words = " ".join(str(error).split())
        raise ValueError(
            f"{folder / 'vocab.json'} and merges.txt next to it do not make a tokenizer. Copy or "
            f"download them again. transformers says: {type(error).__name__}: {words[:200]}"
        ) from error
    tokenizer.add_tokens(list(RESERVED) if len(vocabulary) >= WORDS else [*TEXT, *IMAGE])
    if len(tokenizer) > vocabulary_size:
        raise ValueError(
            f"{folder / 'vocab.json'} does not fit llm_config.json next to it: with the markers "
            f"it has {len(tokenizer)} words, and the network has {vocabulary_size}. Take both "
            "from BAGEL's repository."
        )
    text, image = (tuple(tokenizer.convert_tokens_to_ids(list(pair))) for pair in (TEXT, IMAGE))
    return tokenizer, Markers(text, image)
