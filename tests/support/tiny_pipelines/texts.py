"""Text encoders and tokenizers: one token a character, widths of 16 or 32."""

import string

from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    LlamaConfig,
    LlamaModel,
    LlamaTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLTextModel,
    Qwen2Tokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

WIDTH = 32
CHARACTERS = string.ascii_lowercase + string.digits + ".,:;!?'-"
CHAT = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


def clip(width: int = WIDTH) -> CLIPTextModel:
    """Returns a CLIP text encoder for `clip_tokenizer`."""
    return CLIPTextModel(_clip_config(width))


def projected_clip(width: int = WIDTH) -> CLIPTextModelWithProjection:
    """Returns a CLIP text encoder whose pooled output is projected, for `clip_tokenizer`."""
    return CLIPTextModelWithProjection(_clip_config(width))


def _clip_config(width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=128,
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def clip_tokenizer() -> CLIPTokenizer:
    """Returns a tokenizer of single characters, 77 at most."""
    pieces = [piece for letter in CHARACTERS for piece in (letter, letter + "</w>")]
    words = ["<|startoftext|>", "<|endoftext|>", *pieces]
    return CLIPTokenizer(vocab=_numbered(words), merges=[], model_max_length=77)


def t5() -> T5EncoderModel:
    """Returns a T5 encoder for `t5_tokenizer`."""
    return T5EncoderModel(T5Config(**_t5_options(vocab_size=64)))


def umt5() -> UMT5EncoderModel:
    """Returns a UMT5 encoder for `t5_tokenizer`."""
    return UMT5EncoderModel(UMT5Config(**_t5_options(vocab_size=64)))


def byt5() -> T5EncoderModel:
    """Returns a T5 encoder for transformers' own tokenizer of bytes."""
    return T5EncoderModel(T5Config(**_t5_options(vocab_size=384)))


def _t5_options(vocab_size: int) -> dict:
    return {
        "vocab_size": vocab_size,
        "d_model": WIDTH,
        "d_kv": 8,
        "d_ff": WIDTH,
        "num_layers": 1,
        "num_heads": 4,
        "decoder_start_token_id": 0,
    }


def t5_tokenizer() -> T5Tokenizer:
    """Returns a tokenizer of single characters, 512 at most."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    vocab = special + [(letter, -3.0) for letter in CHARACTERS]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=512)


def llama() -> LlamaModel:
    """Returns a Llama of width 16 for `llama_tokenizer`; its last layers but two are used."""
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=16,
        intermediate_size=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )
    return LlamaModel(config)


def llama_tokenizer() -> LlamaTokenizer:
    """Returns a tokenizer of single characters, bytes for those it has no token for."""
    data = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = ["\u2581", *string.ascii_letters, *string.digits, *".,:;!?'-<>|_"]
    return LlamaTokenizer(
        vocab=_numbered(["<unk>", "<s>", "</s>", "<pad>", *data, *letters]),
        merges=[],
        pad_token="<pad>",
        padding_side="right",
    )


def qwen() -> Qwen2_5_VLForConditionalGeneration:
    """Returns a Qwen2.5-VL of width 16 for `qwen_tokenizer`."""
    return Qwen2_5_VLForConditionalGeneration(_qwen_config())


def qwen_text() -> Qwen2_5_VLTextModel:
    """Returns the language part alone; its last layers but two are used."""
    return Qwen2_5_VLTextModel(_qwen_config().text_config)


def _qwen_config() -> Qwen2_5_VLConfig:
    text = {
        "vocab_size": 300,
        "hidden_size": 16,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default"},
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": WIDTH,
        "num_heads": 2,
        "out_hidden_size": 16,
        "fullatt_block_indexes": [0],
    }
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision)


def qwen_tokenizer() -> Qwen2Tokenizer:
    """Returns a tokenizer of single bytes with Qwen's marks of a chat."""
    tokenizer = Qwen2Tokenizer(
        vocab=_numbered(["<|endoftext|>", *sorted(ByteLevel.alphabet())]),
        merges=[],
        padding_side="right",
        chat_template=CHAT,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    return tokenizer


def _numbered(words: list[str]) -> dict[str, int]:
    return {word: number for number, word in enumerate(words)}
