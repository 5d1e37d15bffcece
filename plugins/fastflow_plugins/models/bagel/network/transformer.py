"""BAGEL's Mixture of Transformers: Qwen2 with two sets of weights, joined in the attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2MLP,
    Qwen2RMSNorm,
    apply_rotary_pos_emb,
)

from fastflow_plugins.models.bagel.network.context import Context, Segment

EXPERTS = ("", "_moe_gen")  # the checkpoint's suffixes for understanding and generation

Streams = tuple[Tensor, ...]
"""The tokens ``(L, D)`` of each expert: words or a view alone, or two markers and the latents."""


def join(streams: Streams) -> Tensor:
    """Returns the sequence of both experts' tokens: the latents are between the markers."""
    if len(streams) == 1:
        return streams[0]
    markers, latents = streams
    return torch.cat([markers[:1], latents, markers[1:]])


def part(sequence: Tensor, experts: int) -> Streams:
    """Reverses `join`: returns the tokens of a sequence by expert."""
    if experts == 1:
        return (sequence,)
    return torch.cat([sequence[:1], sequence[-1:]]), sequence[1:-1]


def add(streams: Streams, others: Streams) -> Streams:
    """Returns the sums, expert by expert."""
    return tuple(a + b for a, b in zip(streams, others, strict=True))


class Twins(nn.Module):
    """Has each of its parts once per expert, under the checkpoint's names."""

    def twin(self, name: str, make: Any, *args: Any, **options: Any) -> None:
        """Adds a part for each expert."""
        for expert in EXPERTS:
            setattr(self, name + expert, make(*args, **options))

    def each(self, name: str, streams: Streams) -> Streams:
        """Passes each stream through its own expert's part."""
        named = zip(EXPERTS, streams, strict=False)
        return tuple(getattr(self, name + expert)(tokens) for expert, tokens in named)


class Attention(Twins):
    """Projects each expert's tokens by its own weights; all attend to all, and to the context."""

    def __init__(self, config: Qwen2Config):
        super().__init__()
        self.size = head_size(config)
        wide = self.size * config.num_attention_heads
        narrow = self.size * (config.num_key_value_heads or config.num_attention_heads)
        self.twin("q_proj", nn.Linear, config.hidden_size, wide)
        self.twin("k_proj", nn.Linear, config.hidden_size, narrow)
        self.twin("v_proj", nn.Linear, config.hidden_size, narrow)
        self.twin("o_proj", nn.Linear, wide, config.hidden_size, bias=False)
        self.twin("q_norm", Qwen2RMSNorm, self.size, config.rms_norm_eps)
        self.twin("k_norm", Qwen2RMSNorm, self.size, config.rms_norm_eps)

    def forward(
        self, streams: Streams, rotation: Streams, context: Context, layer: int, causal: bool
    ) -> tuple[Streams, tuple[Tensor, Tensor]]:
        q, k = (join(self._normed(name, streams)) for name in "qk")
        v = join(self._heads("v", streams))
        q, k = (h.to(v.dtype) for h in apply_rotary_pos_emb(q, k, *rotation, unsqueeze_dim=1))
        keys, values = context.before(layer, k, v)
        mixed = F.scaled_dot_product_attention(
            *(h.transpose(0, 1)[None] for h in (q, keys, values)),
            attn_mask=_earlier(len(q), len(keys), q.device) if causal else None,
            enable_gqa=True,
        )
        mixed = mixed[0].transpose(0, 1).flatten(1)
        return self.each("o_proj", part(mixed, len(streams))), (k, v)

    def _heads(self, name: str, streams: Streams) -> Streams:
        return tuple(h.unflatten(-1, (-1, self.size)) for h in self.each(f"{name}_proj", streams))

    def _normed(self, name: str, streams: Streams) -> Streams:
        """Returns normed heads; in float32 where latents are among the tokens."""
        heads = self._heads(name, streams)
        if len(streams) > 1:
            heads = tuple(h.float() for h in heads)
        return self.each(f"{name}_norm", heads)


class TransformerLayer(Twins):
    """Applies attention and a perceptron, with norms and residuals."""

    def __init__(self, config: Qwen2Config):
        super().__init__()
        norm = Qwen2RMSNorm, config.hidden_size, config.rms_norm_eps
        self.self_attn = Attention(config)
        self.twin("mlp", Qwen2MLP, config)
        self.twin("input_layernorm", *norm)
        self.twin("post_attention_layernorm", *norm)

    def forward(self, streams: Streams, *rest: Any) -> tuple[Streams, tuple[Tensor, Tensor]]:
        attended, kv = self.self_attn(self.each("input_layernorm", streams), *rest)
        streams = add(streams, attended)
        update = self.each("mlp", self.each("post_attention_layernorm", streams))
        return add(streams, update), kv


class Transformer(Twins):
    """Embeds words and applies all layers and the last norm."""

    def __init__(self, config: Qwen2Config):
        super().__init__()
        self.theta, self.size = rotary_base(config), head_size(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            TransformerLayer(config) for _ in range(config.num_hidden_layers)
        )
        self.twin("norm", Qwen2RMSNorm, config.hidden_size, config.rms_norm_eps)

    def forward(
        self, streams: Streams, positions: Tensor, context: Context, causal: bool
    ) -> tuple[Streams, Segment]:
        """Continues from a context.

        Args:
            streams: the tokens by expert; an image to draw has those of both experts.
            positions: ``(L,)`` rotary positions of the sequence.
            context: the segments before; they are attended to and not changed.
            causal: whether a token attends only to those before it, as words do.

        Returns:
            The tokens by expert, and their keys and values to extend the context by.
        """
        rotation = self._rotation(positions, streams[0].dtype)
        pairs = []
        for i, layer in enumerate(self.layers):
            streams, kv = layer(streams, rotation, context, i, causal)
            pairs.append(kv)
        keys, values = zip(*pairs, strict=True)
        return self.each("norm", streams), Segment(keys, values)

    def _rotation(self, positions: Tensor, dtype: torch.dtype) -> Streams:
        """Returns the cosines and sines ``(L, D)`` of rotary positions, computed in float32."""
        with torch.autocast(positions.device.type, enabled=False):
            even = torch.arange(0, self.size, 2, device=positions.device).float()
            frequencies = 1.0 / self.theta ** (even / self.size)
            angles = positions.float()[:, None] @ frequencies[None]
            angles = torch.cat([angles, angles], dim=-1)
            return angles.cos().to(dtype), angles.sin().to(dtype)


def head_size(config: Qwen2Config) -> int:
    """Returns the width of one head."""
    return config.hidden_size // config.num_attention_heads


def rotary_base(config: Qwen2Config) -> float:
    """Returns the base of the rotary frequencies, from where either transformers 4 or 5 has it."""
    recent = getattr(config, "rope_parameters", None)
    return recent["rope_theta"] if recent else config.rope_theta


def _earlier(queries: int, keys: int, device: torch.device) -> Tensor:
    """Returns which keys each query attends to: those before it and its own."""
    mask = torch.ones(queries, keys, dtype=torch.bool, device=device)
    return mask.tril(keys - queries)
