"""Tokenizers of whole words, built without the hub."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer, LlamaTokenizer, T5Tokenizer

_END = "</w>"
_START = "▁"
_SPACE = "Ġ"


def t5_tokenizer(words: Sequence[str], length: int) -> T5Tokenizer:
    """Returns a T5 tokenizer whose pieces are words; unknown words become ``<unk>``."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -5.0)]
    pieces += [(f"▁{word}", -1.0) for word in words]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=length)


def clip_tokenizer(words: Sequence[str], length: int) -> CLIPTokenizer:
    """Returns a CLIP tokenizer in which every word is a token; unknown words become letters."""
    letters = [chr(c) for c in range(ord("!"), ord("~") + 1)]
    merges: Any = _merges([[*word[:-1], word[-1] + _END] for word in words])
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(c + _END for c in letters)]
    vocabulary += ["".join(pair) for pair in merges]
    ids = {token: i for i, token in enumerate(dict.fromkeys(vocabulary))}
    return CLIPTokenizer(vocab=ids, merges=merges, model_max_length=length)


def llama_tokenizer(words: Sequence[str], length: int) -> LlamaTokenizer:
    """Returns a Llama tokenizer in which every word is a token; unknown words become bytes.

    It starts every text with ``<s>``, as HunyuanVideo's does: where the template before the
    prompt is empty, that is the only token of an empty prompt.
    """
    letters = sorted({letter for word in words for letter in word})
    merges: Any = _merges([[_START, *word] for word in words])
    special = ["<unk>", "<s>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = [*special, _START, *letters, *("".join(pair) for pair in merges)]
    return LlamaTokenizer(
        vocab={token: i for i, token in enumerate(dict.fromkeys(vocabulary))},
        merges=merges,
        pad_token="<pad>",
        padding_side="right",
        add_bos_token=True,
        model_max_length=length,
    )


def qwen_tables(words: Sequence[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Returns the vocabulary and merges of a Qwen2 tokenizer in which every word is a token.

    A word inside a text begins with the space before it; unknown words become bytes.
    """
    merges: Any = _merges([[*word] for word in words] + [[_SPACE, *word] for word in words])
    tokens = [*sorted(ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}, merges


def _merges(split: Sequence[list[str]]) -> list[tuple[str, str]]:
    """Learns byte-pair merges until every split word is one token; ties go to the first pair."""
    merges = []
    while any(len(parts) > 1 for parts in split):
        pairs = Counter(p for parts in split for p in pairwise(parts))
        merges.append(max(sorted(pairs), key=pairs.__getitem__))
        split = [_merged(parts, merges[-1]) for parts in split]
    return merges


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for part in parts:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out
