"""A plain transformer over the patches of a picture and the words of its caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize, scaled_dot_product_attention

FREQUENCIES = 32


@dataclass(frozen=True)
class Sizes:
    """The sizes of a network and of its pictures.

    Args:
        channels: 3 for colour, 1 for grey.
        side: the side of a picture in pixels.
        patch: the side of a patch in pixels.
        vocabulary: how many ids of words there are.
        length: how many words a caption has at most.
        width: of a token.
        heads: of the attention.
        depth: how many blocks there are.
    """

    channels: int
    side: int
    patch: int
    vocabulary: int
    length: int
    width: int
    heads: int = 4
    depth: int = 4

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(C, H, W)`` of a picture."""
        return (self.channels, self.side, self.side)


class Network(nn.Module):
    """Predicts the velocity of pictures; time and caption scale and shift every block.

    Blocks as in DiT (https://arxiv.org/abs/2212.09748), with one table of scales and shifts that
    all blocks share; words and patches attend to each other as in FLUX's single blocks.
    """

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes, width = sizes, sizes.width
        pixels = sizes.channels * sizes.patch**2
        tokens = sizes.length + (sizes.side // sizes.patch) ** 2
        self.words = nn.Embedding(sizes.vocabulary, width)
        self.place = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.inward = nn.Linear(pixels, width)
        self.time = nn.Sequential(
            nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, sizes.heads) for _ in range(sizes.depth))
        self.last = nn.Linear(width, 2 * width)
        self.outward = nn.Linear(width, pixels)
        for layer in (self.modulation, self.last, self.outward):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, sigma: Tensor, words: Tensor) -> Tensor:
        """Returns the velocity ``(B, C, H, W)``.

        Args:
            x: ``(B, C, H, W)`` noisy pictures.
            sigma: ``(B,)`` noise levels; 1 is noise, 0 is data.
            words: ``(B, length)`` ids of words; 0 fills up short captions.
        """
        tokens, condition = self.embed(x, sigma, words)
        shared = self.modulation(condition)[:, None]
        for block in self.blocks:
            tokens = block(tokens, shared)
        scale, shift = self.last(condition)[:, None].chunk(2, dim=-1)
        patches = tokens[:, self.sizes.length :]
        return self._picture(self.outward(modulated(patches, scale, shift)))

    def embed(self, x: Tensor, sigma: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the tokens ``(B, N, D)``, words first, and the condition ``(B, D)``."""
        meanings = self.words(words)
        tokens = torch.cat([meanings, self.inward(self._patches(x))], dim=1) + self.place
        condition = self.time(waves(sigma).to(x.dtype)) + meanings.mean(1)
        return tokens, nn.functional.silu(condition)

    def first_input(self, x: Tensor, sigma: Tensor, words: Tensor) -> Tensor:
        """Returns the modulated input of the first block ``(B, N, D)``, for TeaCache's rule."""
        tokens, condition = self.embed(x, sigma, words)
        first: Any = self.blocks[0]
        scale, shift, *_ = first.parts(self.modulation(condition)[:, None])
        return modulated(tokens, scale, shift)

    def _patches(self, x: Tensor) -> Tensor:
        return nn.functional.unfold(x, self.sizes.patch, stride=self.sizes.patch).mT

    def _picture(self, patches: Tensor) -> Tensor:
        side, patch = self.sizes.side, self.sizes.patch
        return nn.functional.fold(patches.mT, (side, side), patch, stride=patch)


class Block(nn.Module):
    """Attention among all tokens, then a layer for each token alone."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.own = nn.Parameter(torch.zeros(6 * width))
        self.queries = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)

    def parts(self, shared: Tensor) -> tuple[Tensor, ...]:
        """Returns scale, shift and gate of the attention and of the layer after it."""
        return (shared + self.own).chunk(6, dim=-1)

    def forward(self, tokens: Tensor, shared: Tensor) -> Tensor:
        """Returns the tokens ``(B, N, D)`` after this block."""
        scale, shift, gate, scale2, shift2, gate2 = self.parts(shared)
        tokens = tokens + gate * self._attend(modulated(tokens, scale, shift))
        inner = self.widen(modulated(tokens, scale2, shift2))
        return tokens + gate2 * self.narrow(gelu(inner, approximate="tanh"))

    def _attend(self, tokens: Tensor) -> Tensor:
        split = self.queries(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = split
        # normalised, so that no attention saturates; a fixed scale stands for a learned one
        queries, keys = normalize(queries, dim=-1), normalize(keys, dim=-1)
        found = scaled_dot_product_attention(queries, keys, values, scale=8.0)
        return self.mix(found.transpose(1, 2).flatten(2))


def modulated(tokens: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Returns tokens normalised, then scaled and shifted."""
    return nn.functional.layer_norm(tokens, tokens.shape[-1:]) * (1 + scale) + shift


def waves(sigma: Tensor) -> Tensor:
    """Returns sines and cosines ``(B, 2 * FREQUENCIES)`` of noise levels, in float32."""
    rates = torch.logspace(0, 2, FREQUENCIES, device=sigma.device)
    angles = sigma.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
