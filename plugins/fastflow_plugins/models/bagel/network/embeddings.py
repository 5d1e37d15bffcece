"""The small parts around BAGEL's transformer: embeddings of time and position, and SigLIP."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import SiglipEncoder

FREQUENCIES = 128


class TimeEmbedding(nn.Module):
    """Embeds times from 0 (data) to 1 (noise) by cosines and sines and a small network."""

    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, t: Tensor) -> Tensor:
        """Returns ``(L, D)`` of the times ``(L,)``."""
        rising = torch.arange(FREQUENCIES, dtype=torch.float32) / FREQUENCIES
        angles = t[:, None].float() * torch.exp(-math.log(10000) * rising).to(t.device)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))


class Places(nn.Module):
    """Embeds positions on a square of ``side x side`` patches by a table from the checkpoint."""

    def __init__(self, side: int, width: int):
        super().__init__()
        self.side = side
        self.pos_embed = nn.Parameter(torch.zeros(side**2, width), requires_grad=False)

    def forward(self, places: Tensor) -> Tensor:
        return self.pos_embed[places]


class Connector(nn.Module):
    """Projects SigLIP's features to the transformer's width."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(features, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Vision(nn.Module):
    """Runs SigLIP on any number of patches, embedded by a linear map and a table of positions."""

    def __init__(self, config: SiglipVisionConfig):
        super().__init__()
        size: Any = config.image_size
        patch: Any = config.patch_size
        self.patch: int = patch
        self.side: int = size // patch
        values = config.num_channels * self.patch**2
        self.embeddings = nn.ModuleDict(
            {
                "patch_embedding": nn.Linear(values, config.hidden_size),
                "position_embedding": nn.Embedding(self.side**2, config.hidden_size),
            }
        )
        self.encoder = SiglipEncoder(config)  # type: ignore[arg-type]
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, patches: Tensor, places: Tensor) -> Tensor:
        """Returns features ``(L, D)`` of patches ``(L, patch * patch * 3)`` at places ``(L,)``."""
        parts = self.embeddings
        x = parts["patch_embedding"](patches) + parts["position_embedding"](places)
        return self.post_layernorm(self.encoder(inputs_embeds=x[None]).last_hidden_state[0])


def on_grid(rows: int, columns: int, side: int) -> Tensor:
    """Returns the indices ``(rows * columns,)`` of a grid in the corner of a square table."""
    return (torch.arange(rows)[:, None] * side + torch.arange(columns)).flatten()
