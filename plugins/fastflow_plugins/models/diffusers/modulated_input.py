"""The first block's modulated input, TeaCache's signal: it changes where the velocity does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fastflow.sampling import Probe


@dataclass(frozen=True, kw_only=True)
class FluxProbe(Probe):
    """Computes the signal ``(B, N, D)`` of FLUX and FLUX Kontext, without any attention.

    Reference: TeaCache, https://arxiv.org/abs/2411.19108.
    """

    def signal(self, transformer: Any, inputs: Mapping[str, Any]) -> Tensor:
        hidden = transformer.x_embedder(inputs["hidden_states"])
        times = [inputs["timestep"].to(hidden.dtype) * 1000]
        if inputs.get("guidance") is not None:
            times.append(inputs["guidance"].to(hidden.dtype) * 1000)
        embedding = transformer.time_text_embed(*times, inputs["pooled_projections"])
        return transformer.transformer_blocks[0].norm1(hidden, emb=embedding)[0]


@dataclass(frozen=True, kw_only=True)
class HunyuanVideoProbe(Probe):
    """Computes the signal ``(B, N, D)`` of HunyuanVideo, without any attention.

    Reference: TeaCache, https://arxiv.org/abs/2411.19108.
    """

    def signal(self, transformer: Any, inputs: Mapping[str, Any]) -> Tensor:
        hidden = transformer.x_embedder(inputs["hidden_states"])
        embedding, *_ = transformer.time_text_embed(
            inputs["timestep"], inputs["pooled_projections"], inputs.get("guidance")
        )
        return transformer.transformer_blocks[0].norm1(hidden, emb=embedding)[0]
